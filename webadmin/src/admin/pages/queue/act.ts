import { api, says } from '$api/client';
import type { QueueSelection } from '$api/types';
import { t, tn } from '$kit/i18n';
import { toasts } from '$kit/toast.svelte';

export type Verb = 'retry' | 'hold' | 'release' | 'cancel' | 'reroute';

const done: Record<Verb, (n: number) => string> = {
  retry: (n) => tn(n, 'One message is tried now', '{n} messages are tried now'),
  hold: (n) => tn(n, 'One message is held', '{n} messages are held'),
  release: (n) => tn(n, 'One message is released', '{n} messages are released'),
  cancel: (n) => tn(n, 'One message is cancelled', '{n} messages are cancelled'),
  reroute: (n) => tn(n, 'One message takes the other way', '{n} messages take the other way'),
};

export const perform = (verb: Verb, selection: QueueSelection, more: object = {}): Promise<{ changed: number }> =>
  api.post<{ changed: number }>(`/queue:${verb}`, { ...selection, ...more });

// act does it and says so; holding and releasing can be undone from the message on the screen.
export async function act(verb: Verb, selection: QueueSelection, ondone: () => void): Promise<void> {
  try {
    const { changed } = await perform(verb, selection);
    const back: Verb | undefined = verb === 'hold' ? 'release' : verb === 'release' ? 'hold' : undefined;
    toasts.done(done[verb](changed), back && selection.ids ? { label: t('Undo'), run: () => void act(back, selection, ondone) } : undefined);
    ondone();
  } catch (err) {
    toasts.failed(says(err));
  }
}

export const said = (verb: Verb, changed: number): string => done[verb](changed);
