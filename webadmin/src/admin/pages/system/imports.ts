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

// order is what a person looks for first: what runs, what needs help, what waits, what is done.
const rank = (m: Import): number => ({ running: 0, failed: 1, stopped: 2, waiting: 3, done: m.progress.leftOut ? 4 : 5 })[m.state];
export const ordered = (list: Import[]): Import[] => [...list].sort((a, b) => rank(a) - rank(b));

// show is which imports of a list are shown.
export type Show = 'all' | 'underway' | 'failed' | 'done';
export const shows = (m: Import, show: Show): boolean => {
  switch (show) {
    case 'underway':
      return underWay(m);
    case 'failed':
      return m.state === 'failed' || m.state === 'stopped';
    case 'done':
      return m.state === 'done';
    default:
      return true;
  }
};

// Group is the imports of one source: an IMAP server, or files of a kind.
export interface Group {
  key: string;
  choice: Schemas['ImportChoice'];
  items: Import[];
}

// grouped are the sources of a list that have more than one import, the largest first.
export function grouped(list: Import[]): Group[] {
  const groups = new Map<string, Group>();
  for (const m of list) {
    const key = m.server ?? m.kind;
    const group: Group = groups.get(key) ?? { key, choice: m.server ? { kind: m.kind, server: m.server } : { kind: m.kind }, items: [] };
    group.items.push(m);
    groups.set(key, group);
  }
  return [...groups.values()].filter((g) => g.items.length > 1).sort((a, b) => b.items.length - a.items.length);
}

export const groupName = (g: Group): string => g.choice.server ?? kindName(g.choice.kind!);

// togetherPart is how much of many imports is done, from 0 to 1; one whose size is not known has yet to begin.
export const togetherPart = (list: Import[]): number =>
  list.reduce((sum, m) => sum + (underWay(m) ? (m.state === 'running' ? Math.max(0, part(m)) : 0) : 1), 0) / Math.max(1, list.length);

// sampled is how many of those that ended last say how long one takes.
const sampled = 10;

// togetherLeft is how many seconds many imports still take, about; undefined while nothing tells how long those that wait will.
export function togetherLeft(list: Import[]): number | undefined {
  const running = list.filter((m) => m.state === 'running');
  const waiting = list.filter((m) => m.state === 'waiting').length;
  const took = list
    .filter((m) => m.state === 'done' && m.ended)
    .sort((a, b) => Date.parse(b.ended!) - Date.parse(a.ended!))
    .slice(0, sampled)
    .map((m) => (Date.parse(m.ended!) - Date.parse(m.progress.started)) / 1000);
  const usual = took.length ? took.reduce((sum, s) => sum + s, 0) / took.length : undefined;
  if (waiting && usual === undefined) return undefined;
  const sum = running.reduce((all, m) => all + (m.progress.secondsLeft ?? usual ?? 0), 0) + waiting * (usual ?? 0);
  return sum / Math.max(1, running.length);
}

// togetherPace is how many imports are done, how fast it goes and how long it takes, in a line.
export function togetherPace(list: Import[]): string {
  const of = (state: Import['state']) => list.filter((m) => m.state === state);
  const running = of('running');
  const parts = [t('{done} of {all} done', { done: count(of('done').length), all: count(list.length) })];
  for (const [n, words] of [
    [running.length, tn(running.length, '{n} runs', '{n} run')],
    [of('waiting').length, tn(of('waiting').length, '{n} waits', '{n} wait')],
    [of('failed').length, t('{n} failed', { n: count(of('failed').length) })],
    [of('stopped').length, t('{n} stopped', { n: count(of('stopped').length) })],
  ] as const)
    if (n) parts.push(words);
  const rate = running.reduce((sum, m) => sum + m.progress.rate, 0);
  if (rate >= 1) parts.push(t('{n} messages a second', { n: count(Math.round(rate)) }));
  const left = running.length ? togetherLeft(list) : undefined;
  if (left) parts.push(t('about {time} left', { time: duration(left) }));
  return parts.join(' · ');
}

// Way is how one signs in at the other server; lines: as each line of a list says.
export type Way = 'password' | 'token' | 'lines' | 'master';
export type TLS = 'tls' | 'starttls' | 'none';

// Place is what a form asks of the other server.
export interface Place {
  provider: string;
  host: string;
  port: string;
  tls: TLS;
  fingerprint: string;
  way: Way;
  secret: string;
  master: string;
}

export const emptyPlace = (way: Way): Place => ({ provider: '', host: '', port: '', tls: 'tls', fingerprint: '', way, secret: '', master: '' });

// sourceOf is a place as the API takes it, without the user.
export function sourceOf(p: Place) {
  const secret = p.way === 'token' ? { token: p.secret.trim() } : p.way === 'lines' ? {} : { password: p.secret };
  return { host: p.host.trim(), port: Number(p.port) || 0, tls: p.tls, fingerprint: p.fingerprint.trim(), ...secret, ...(p.way === 'master' ? { master: p.master.trim() } : {}) };
}

// failedFirst puts lines that fail before the others; else the order of the list stays.
type Row = Schemas['ImportRow'];
export const failedFirst = (rows: Row[]): Row[] => [...rows].sort((a, b) => Number(Boolean(b.error)) - Number(Boolean(a.error)) || a.line - b.line);
