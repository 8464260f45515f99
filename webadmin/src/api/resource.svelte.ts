import { untrack } from 'svelte';
import { ApiError, type Page, says } from './client';

// Resource is something the page shows that comes from the API. It loads when the component that makes it mounts and
// again whenever state that `load` reads before its first await changes. What was there stays while the next loads.
export class Resource<T> {
  data = $state.raw<T>();
  error = $state.raw<ApiError>();
  loading = $state(true);
  // False for the first 300 ms of a load: skeletons that flash are worse than none.
  slow = $state(false);

  #load: (signal: AbortSignal) => Promise<T>;
  #abort: AbortController | undefined;

  constructor(load: (signal: AbortSignal) => Promise<T>) {
    this.#load = load;
    $effect(() => {
      void this.#run();
      return () => this.#abort?.abort();
    });
  }

  reload = (): Promise<void> => untrack(() => this.#run());

  async #run(): Promise<void> {
    untrack(() => this.#abort?.abort());
    const abort = (this.#abort = new AbortController());
    const work = this.#load(abort.signal); // reads the state to depend on
    untrack(() => (this.loading = true));
    const slow = setTimeout(() => (this.slow = true), 300);
    try {
      const data = await work;
      if (abort.signal.aborted) return;
      this.data = data;
      this.error = undefined;
    } catch (err) {
      if (abort.signal.aborted) return;
      this.error = err instanceof ApiError ? err : new ApiError(0, 'failed', 'Failed', says(err));
    } finally {
      clearTimeout(slow);
      if (this.#abort === abort) {
        this.loading = false;
        this.slow = false;
      }
    }
  }
}

// Listing is a list that comes in pages: the first loads by itself, more() adds the next.
export class Listing<T> {
  items = $state.raw<T[]>([]);
  next = $state('');
  total = $state<number>();
  loadingMore = $state(false);
  moreError = $state('');

  #first: Resource<Page<T>>;
  #load: (cursor: string, signal: AbortSignal) => Promise<Page<T>>;

  constructor(load: (cursor: string, signal: AbortSignal) => Promise<Page<T>>) {
    this.#load = load;
    this.#first = new Resource(async (signal) => {
      const page = await load('', signal);
      if (!signal.aborted) this.#show(page);
      return page;
    });
  }

  get loading(): boolean {
    return this.#first.loading;
  }
  get slow(): boolean {
    return this.#first.slow;
  }
  get error(): ApiError | undefined {
    return this.#first.error;
  }
  // ready: the first page has come, so an empty list is truly empty.
  get ready(): boolean {
    return this.#first.data !== undefined;
  }

  reload = (): Promise<void> => this.#first.reload();

  more = async (): Promise<void> => {
    if (!this.next || this.loadingMore) return;
    const from = this.#first.data;
    this.loadingMore = true;
    this.moreError = '';
    try {
      const page = await this.#load(this.next, new AbortController().signal);
      if (from !== this.#first.data) return; // the list began anew meanwhile
      this.items = [...this.items, ...page.items];
      this.next = page.next ?? '';
    } catch (err) {
      this.moreError = says(err);
    } finally {
      this.loadingMore = false;
    }
  };

  #show(page: Page<T>): void {
    this.items = page.items;
    this.next = page.next ?? '';
    this.total = page.total;
  }
}
