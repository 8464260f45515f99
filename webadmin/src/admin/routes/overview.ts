import { t } from '$kit/i18n';
import type { Route } from '$kit/router.svelte';

export const overview: Route[] = [{ pattern: '/admin', title: () => t('Overview'), load: () => import('../pages/overview/Overview.svelte') }];
