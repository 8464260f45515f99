import { api, type Page } from '$api/client';
import { events } from '$api/events.svelte';
import { Resource } from '$api/resource.svelte';
import { underWay, type Import } from './imports';

const soon = 500; // ms, in which several changes are read at once
const every = 5000; // ms, while one is under way and no events come

// follow calls told with each import that goes on, and reload when something may have been missed. Without events it asks now and then while busy.
export function follow(told: (m: Import) => void, reload: () => void, busy: () => boolean): void {
  let connected = events.connected;
  $effect(() => events.on('import.changed', (event) => (event.event === 'missed' ? reload() : told(event.data as Import))));
  $effect(() => events.on('imports.changed', reload));
  $effect(() => {
    if (events.connected && !connected) reload();
    connected = events.connected;
    if (connected || !busy()) return;
    const timer = setInterval(reload, every);
    return () => clearInterval(timer);
  });
}

// LiveImports is the list of imports as it stands now.
export class LiveImports {
  readonly list = new Resource((signal) => api.get<Page<Import>>('/imports', {}, signal));
  items = $derived(this.list.data?.items ?? []);
  #due: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    follow(this.#told, this.#later, () => this.items.some(underWay));
    $effect(() => () => clearTimeout(this.#due));
  }

  #later = (): void => {
    this.#due ??= setTimeout(() => {
      this.#due = undefined;
      void this.list.reload();
    }, soon);
  };

  #told = (now: Import): void => {
    const { data, loading } = this.list;
    // An answer that is on its way may be older than what is told.
    if (loading || !data?.items.some((m) => m.id === now.id)) return this.#later();
    this.list.data = { ...data, items: data.items.map((m) => (m.id === now.id ? now : m)) };
  };
}
