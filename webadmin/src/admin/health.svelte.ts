import { api } from '$api/client';
import { events } from '$api/events.svelte';
import type { Overview } from '$api/types';

// The answer to "is my mail server all right?", for the dot in the bar and the overview page.
class Health {
  overview = $state.raw<Overview>();

  async load(signal?: AbortSignal): Promise<Overview> {
    return (this.overview = await api.get<Overview>('/overview', {}, signal));
  }

  // watch asks again after a check changed. It returns what ends that.
  watch(): () => void {
    let timer: ReturnType<typeof setTimeout>;
    const stop = events.on('check.', () => {
      clearTimeout(timer);
      timer = setTimeout(() => void this.load().catch(() => {}), 500); // several change at once
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }
}

export const health = new Health();
