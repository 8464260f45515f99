import type { Route } from '$kit/router.svelte';

export const deliverability: Route[] = [];
