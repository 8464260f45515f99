import { api, says } from '$api/client';
import type { Schemas } from '$api/types';
import { t } from '$kit/i18n';
import { toasts } from '$kit/toast.svelte';

// Lists of whom to allow and whom to block: of the server, of a domain, of an account, or one's own.
export type ListDoor = '/lists' | '/me/lists';

// Whose list it is: neither is the server's own, or one's own under /me.
export interface Scope {
  domain?: string;
  account?: string;
}

export type Entry = Schemas['ListEntry'];

// subjectKind says what an entry is about, by its form.
export function subjectKind(entry: string): string {
  if (/^[0-9a-f.:]+(\/\d+)?$/i.test(entry) && /[.:]/.test(entry) && !entry.startsWith('.')) return entry.includes('/') ? t('Network') : t('Server');
  if (entry.startsWith('.')) return t('Domain and all below');
  if (entry.startsWith('@')) return t('Domain');
  return t('Person');
}

// allowSender puts the sender of a message on a list, and offers to take it off again.
export async function allowSender(door: ListDoor, scope: Scope, trace: string): Promise<void> {
  const { entry } = await api.post<Entry>(`${door}:allow-sender`, { trace }, { query: { ...scope } });
  const back = () => api.delete(door, { query: { ...scope, entry } });
  toasts.done(t('{entry} is allowed from now on.', { entry }), { label: t('Undo'), run: () => void back().catch((err) => toasts.failed(says(err))) });
}
