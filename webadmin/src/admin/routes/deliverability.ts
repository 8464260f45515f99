import { t } from '$kit/i18n';
import type { Route } from '$kit/router.svelte';

export const deliverability: Route[] = [
  { pattern: '/admin/deliverability', title: () => t('Deliverability'), load: () => import('../pages/deliverability/Deliverability.svelte') },
  { pattern: '/admin/deliverability/dmarc', title: () => t('DMARC reports'), load: () => import('../pages/deliverability/Dmarc.svelte') },
  { pattern: '/admin/deliverability/dmarc/:id', title: () => t('DMARC report'), load: () => import('../pages/deliverability/Report.svelte') },
  { pattern: '/admin/deliverability/sent', title: () => t('Reports that were sent'), load: () => import('../pages/deliverability/Sent.svelte') },
  { pattern: '/admin/deliverability/tls', title: () => t('TLS reports'), load: () => import('../pages/deliverability/Tls.svelte') },
];
