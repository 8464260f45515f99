import type { Component } from 'svelte';
import { t } from '$kit/i18n';
import type { StateName } from '$kit/states';
import Ban from '@lucide/svelte/icons/ban';
import ArchiveX from '@lucide/svelte/icons/archive-x';
import Inbox from '@lucide/svelte/icons/inbox';
import ShieldAlert from '@lucide/svelte/icons/shield-alert';

// What was decided about a message, and why.

export interface Reason {
  name: string;
  // Above 0 speaks for junk, below against it; 0 is only told.
  score: number;
  text: string;
}

export interface Verdict {
  place: string;
  // What decided: check, list, score; '' when nothing spoke against the message.
  by: string;
  // Of a check or a list, in one line.
  reason: string;
  // Unset when nobody asked for a score: the message was refused before.
  score?: number;
  reasons: Reason[];
  // The address by which the account was reached; '' stands for all.
  to: string;
  author: string;
  // Whether the message is authentic as of the author, or the author's domain has no policy by which it could be.
  proven: boolean;
  known: boolean;
}

// verdictOf reads the fields of a verdict in a story.
export function verdictOf(fields: Record<string, string> = {}): Verdict {
  const score = Number(fields.score);
  return {
    place: fields.place ?? fields.result ?? '',
    by: fields.by ?? '',
    reason: fields.reason ?? '',
    score: fields.score === undefined || Number.isNaN(score) ? undefined : score,
    reasons: reasonsOf(fields.reasons),
    to: fields.rcpt_to ?? '',
    author: fields.author ?? '',
    proven: (fields.proven ?? '').split(' ').includes('author'),
    known: fields.known === 'yes',
  };
}

function reasonsOf(text = ''): Reason[] {
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) ? list.filter(isReason) : [];
  } catch {
    return [];
  }
}

function isReason(value: unknown): value is Reason {
  const r = value as Partial<Reason> | null;
  return typeof r === 'object' && r !== null && typeof r.name === 'string' && typeof r.score === 'number' && typeof r.text === 'string';
}

// heaviest orders reasons by what they add or take, and leaves to the end what is only told.
export const heaviest = (reasons: Reason[]): Reason[] => [...reasons].sort((a, b) => Math.abs(b.score) - Math.abs(a.score));

// unsaid is what a score has beyond the reasons that are shown, 0 when it is too little to matter.
export function unsaid(score: number, reasons: Reason[]): number {
  const rest = score - reasons.reduce((sum, reason) => sum + reason.score, 0);
  return Math.abs(rest) < 0.05 ? 0 : rest;
}

// points is a score with one decimal; signed shows what it adds or takes.
export const points = (score: number): string => fixed(Math.round(score * 10) / 10);
export const signed = (score: number): string => {
  const n = Math.round(score * 10) / 10;
  return n > 0 ? `+${fixed(n)}` : fixed(n);
};
const fixed = (n: number): string => (n < 0 ? '\u2212' : '') + Math.abs(n).toFixed(1);

export interface Place {
  state: StateName;
  word: string;
  icon?: Component<any>;
}

export function placeOf(place: string): Place {
  switch (place) {
    case 'inbox':
    case 'accept':
      return { state: 'ok', word: t('Inbox'), icon: Inbox };
    case 'junk':
      return { state: 'unknown', word: t('Filed as junk'), icon: ArchiveX };
    case 'quarantine':
      return { state: 'warn', word: t('Quarantine'), icon: ShieldAlert };
    case 'refuse':
      return { state: 'unknown', word: t('Refused'), icon: Ban };
    default:
      return { state: 'unknown', word: place };
  }
}

// decidedBy says in one sentence what decided.
export function decidedBy(verdict: Verdict): string {
  switch (verdict.by) {
    case 'score':
      return t('Decided by the score.');
    case 'list':
      return t('Decided by a list, whatever the score.');
    case 'check':
      return t('Decided by a check alone, whatever the score.');
    default:
      return t('Nothing speaks against it.');
  }
}
