import { t } from '$kit/i18n';
import type { Route } from '$kit/router.svelte';

export const deliverability: Route[] = [
  { pattern: '/admin/deliverability', title: () => t('Deliverability'), load: () => import('../pages/deliverability/Deliverability.svelte') },
];
