import type { Route } from '$kit/router.svelte';

export const security: Route[] = [];
