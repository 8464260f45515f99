import { api } from '$api/client';
import type { Schemas } from '$api/types';
import { when } from '$kit/format';
import { t, tn } from '$kit/i18n';
import { toasts } from '$kit/toast.svelte';
import { heaviest, type Reason } from './verdict';

// Messages that are kept from their mailboxes. Admins see those of all under /quarantine, people their own under /me/quarantine.
export type Door = '/quarantine' | '/me/quarantine';

export type Quarantined = Schemas['Quarantined'];
type Changed = Schemas['Changed'];

const ids = (messages: Quarantined[]): string[] => messages.map((message) => message.id);

// release lets messages into the inboxes they were for. The classifier learns that such mail is wanted.
export async function release(door: Door, messages: Quarantined[]): Promise<void> {
  const { changed } = await api.post<Changed>(`${door}:release`, { ids: ids(messages), train: true });
  toasts.done(tn(changed, 'The message is in the inbox.', '{n} messages are in their inboxes.'));
}

// allowSenders puts the senders of messages on the lists of the accounts that the messages are for.
export async function allowSenders(door: Door, messages: Quarantined[]): Promise<void> {
  for (const message of messages) {
    if (!message.trace) throw new Error(t('Nothing is kept any more of who sent the message of {time}. Add the address to the list by hand.', { time: when(message.received) }));
    await api.post(door === '/quarantine' ? '/lists:allow-sender' : '/me/lists:allow-sender', { trace: message.trace }, { query: door === '/quarantine' ? { account: message.account } : {} });
  }
}

export async function discard(door: Door, messages: Quarantined[]): Promise<void> {
  const { changed } = await api.post<Changed>(`${door}:delete`, { ids: ids(messages) });
  toasts.done(tn(changed, 'The message is deleted.', '{n} messages are deleted.'));
}

// mainReason is the sentence of what weighs most for junk.
export const mainReason = (reasons: Reason[]): string => heaviest(reasons).find((reason) => reason.score > 0)?.text ?? '';

// narrow is what a search asks the API for: "@example.org" is a domain, a whole address an account; less than that nothing yet.
export function narrow(text: string): { domain?: string; account?: string } {
  const q = text.trim();
  if (/^@[^@\s]+\.[^@\s]+$/.test(q)) return { domain: q.slice(1) };
  return /^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(q) ? { account: q } : {};
}
