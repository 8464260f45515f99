import { t } from '$kit/i18n';
import type { Route } from '$kit/router.svelte';

export const people: Route[] = [
  { pattern: '/admin/people', title: () => t('People'), load: () => import('../pages/people/People.svelte') },
  { pattern: '/admin/people/aliases/:address?', title: () => t('Groups and aliases'), load: () => import('../pages/people/Aliases.svelte') },
  { pattern: '/admin/people/import', title: () => t('Add many people'), load: () => import('../pages/people/Import.svelte') },
  { pattern: '/admin/people/resolve', title: () => t('Who gets mail for an address?'), load: () => import('../pages/people/WhoGetsMail.svelte') },
  { pattern: '/admin/people/:address/:tab?', title: () => t('Person'), load: () => import('../pages/people/Person.svelte') },
];
