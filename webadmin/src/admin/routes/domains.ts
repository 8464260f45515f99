import { t } from '$kit/i18n';
import type { Route } from '$kit/router.svelte';

export const domains: Route[] = [
  { pattern: '/admin/domains', title: () => t('Domains'), load: () => import('../pages/domains/Domains.svelte') },
  { pattern: '/admin/domains/:domain/:tab?', title: () => t('Domain'), load: () => import('../pages/domains/Domain.svelte') },
];
