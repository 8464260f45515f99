import { t } from '$kit/i18n';
import type { Route } from '$kit/router.svelte';

export const routes: Route[] = [
  { pattern: '/account', title: () => t('Mail programs'), load: () => import('./pages/programs/Programs.svelte') },
  { pattern: '/account/security', title: () => t('Sign-in and security'), load: () => import('./pages/security/Security.svelte') },
  { pattern: '/account/sessions', title: () => t('Where you are signed in'), load: () => import('./pages/sessions/Sessions.svelte') },
  { pattern: '/account/junk', title: () => t('Held back'), load: () => import('./pages/junk/HeldBack.svelte') },
  { pattern: '/account/mail', title: () => t('Your mail'), load: () => import('./pages/mail/Mail.svelte') },
];
