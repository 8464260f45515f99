import { api, type Page } from '$api/client';
import { Resource } from '$api/resource.svelte';
import type { Schemas } from '$api/types';
import { router } from '$kit/router.svelte';
import { spans, type Span } from './reports';

// Chosen is the domain and the span of time that a page of reports is about. Both are in the address.
export class Chosen {
  domains = new Resource((signal) => api.get<Page<Schemas['Domain']>>('/domains', { limit: 200 }, signal));

  get domain(): string {
    return router.get('domain') || this.domains.data?.items[0]?.name || '';
  }
  get span(): Span {
    const span = router.get('span');
    return span in spans ? (span as Span) : '30d';
  }
}
