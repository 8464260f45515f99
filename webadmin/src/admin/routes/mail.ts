import { t } from '$kit/i18n';
import type { Route } from '$kit/router.svelte';

export const mail: Route[] = [
  { pattern: '/admin/mail', title: () => t('Live mail flow'), load: () => import('../pages/mail/Live.svelte') },
  { pattern: '/admin/mail/search', title: () => t('Search the mail flow'), load: () => import('../pages/mail/Search.svelte') },
  { pattern: '/admin/mail/refusals', title: () => t('Refusals'), load: () => import('../pages/mail/Refusals.svelte') },
  { pattern: '/admin/mail/quarantine/:id?', title: () => t('Quarantine'), load: () => import('../pages/mail/Quarantine.svelte') },
  { pattern: '/admin/mail/message/:id', title: () => t('Story of a message'), load: () => import('../pages/mail/Message.svelte') },
  { pattern: '/admin/mail/junk', title: () => t('Junk rules'), load: () => import('../pages/mail/JunkRules.svelte') },
  { pattern: '/admin/mail/junk/:address', title: () => t('Junk rules'), load: () => import('../pages/mail/AddressRules.svelte') },
  { pattern: '/admin/mail/queue/:id?', title: () => t('Queue'), load: () => import('../pages/queue/Queue.svelte') },
];
