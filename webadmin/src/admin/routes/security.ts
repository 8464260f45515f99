import { t } from '$kit/i18n';
import type { Route } from '$kit/router.svelte';

export const security: Route[] = [
  { pattern: '/admin/security', title: () => t('Sign-ins'), load: () => import('../pages/security/SignIns.svelte') },
  { pattern: '/admin/security/bans', title: () => t('Bans'), load: () => import('../pages/security/Bans.svelte') },
  { pattern: '/admin/security/roles', title: () => t('Admins and roles'), load: () => import('../pages/security/Roles.svelte') },
  { pattern: '/admin/security/keys', title: () => t('API keys'), load: () => import('../pages/security/Keys.svelte') },
  { pattern: '/admin/security/audit', title: () => t('Audit log'), load: () => import('../pages/security/Audit.svelte') },
];
