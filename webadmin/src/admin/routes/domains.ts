import type { Route } from '$kit/router.svelte';

export const domains: Route[] = [];
