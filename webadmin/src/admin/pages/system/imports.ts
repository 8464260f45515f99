import type { Schemas } from '$api/types';
import { bytes, count, duration } from '$kit/format';
import { t, tn } from '$kit/i18n';
import type { StateName } from '$kit/states';

export type Import = Schemas['Import'];
export type Kind = Import['kind'];

export const underWay = (m: Import): boolean => m.state === 'running' || m.state === 'waiting';

export const kinds: { value: Kind; label: string }[] = [
  { value: 'imap', label: t('IMAP server') },
  { value: 'maildir', label: t('Maildir') },
  { value: 'mbox', label: t('mbox') },
];

export const kindName = (kind: Kind): string => kinds.find((k) => k.value === kind)?.label ?? kind;

// standing is the state of an import, as an icon and a word.
export function standing(m: Import): { state: StateName; label: string } {
  switch (m.state) {
    case 'waiting':
      return { state: 'unknown', label: t('Waits for others') };
    case 'running':
      return { state: 'info', label: m.progress.waiting ? t('Waits for the server') : t('Runs') };
    case 'done':
      return m.progress.leftOut ? { state: 'warn', label: tn(m.progress.leftOut, 'Done, {n} left out', 'Done, {n} left out') } : { state: 'ok', label: t('Done') };
    case 'stopped':
      return { state: 'unknown', label: t('Stopped') };
    default:
      return { state: 'fail', label: t('Failed') };
  }
}

// part is how much of an import is done, from 0 to 1; -1 if that is not known.
export function part(m: Import): number {
  const { messages, allMessages, octets, allOctets } = m.progress;
  if (allMessages) return Math.min(1, messages / allMessages);
  return allOctets ? Math.min(1, octets / allOctets) : -1;
}

// pace is how fast it goes and how long it takes, in a line.
export function pace(m: Import): string {
  const p = m.progress;
  const all = p.allMessages ? t('{done} of {all} messages', { done: count(p.messages), all: count(p.allMessages) }) : t('{done} messages', { done: count(p.messages) });
  const list = [all];
  if (!p.allMessages && p.allOctets) list.push(t('{done} of {all}', { done: bytes(p.octets), all: bytes(p.allOctets) }));
  if (m.state === 'running' && p.rate >= 1) list.push(t('{n} a second', { n: count(Math.round(p.rate)) }));
  if (m.state === 'running' && p.secondsLeft) list.push(t('{time} left', { time: duration(p.secondsLeft) }));
  return list.join(' · ');
}
