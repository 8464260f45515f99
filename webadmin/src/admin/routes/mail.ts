import type { Route } from '$kit/router.svelte';

export const mail: Route[] = [];
