import type { Schemas } from '$api/types';
import { t } from '$kit/i18n';
import type { StateName } from '$kit/states';
import { everyDay } from '$kit/stack';
import type { Stack } from '$kit/StackedBars.svelte';

// Words and numbers of the reports that others send about a domain.

export type DmarcSummary = Schemas['ReportsSummary'];
export type DmarcSource = Schemas['ReportsSource'];
export type TlsSummary = Schemas['ReportsTLSSummary'];

export const spans = { '7d': 7, '30d': 30, '90d': 90 } as const;
export type Span = keyof typeof spans;

// verdictState is how the sentence about a domain is shown.
export function verdictState(state: string): StateName {
  return ({ safe: 'ok', done: 'ok', 'fix-first': 'warn', 'too-little': 'info' } as const)[state] ?? 'unknown';
}

// sourceState is a source of mail in a word.
export function sourceState(state: string): { state: StateName; word: string } {
  switch (state) {
    case 'aligned':
      return { state: 'ok', word: t('Passes') };
    case 'partly':
      return { state: 'warn', word: t('Passes partly') };
    case 'unaligned':
      return { state: 'warn', word: t('Does not pass') };
    case 'forwarded':
      return { state: 'info', word: t('Forwarded') };
    case 'forged':
      return { state: 'unknown', word: t('Forged') };
    default:
      return { state: 'unknown', word: state };
  }
}

export const sourceKind = (kind: string): string =>
  ({ 'this-server': t('this server'), service: t('a known service'), host: t('a host'), address: t('an address'), others: t('the rest') })[kind] ?? kind;

export const policyType = (type: string): string => ({ sts: t('MTA-STS'), tlsa: t('DANE'), 'no-policy-found': t('no policy') })[type] ?? type;

// stacks makes a bar of each day between the first and the last, also of those without reports.
export function stacks<D extends { day: string }>(days: D[], values: (day: D) => number[]): Stack[] {
  if (!days.length) return [];
  const known = new Map(days.map((day) => [day.day.slice(0, 10), values(day)]));
  const none = values(days[0]!).map(() => 0);
  return everyDay(days[0]!.day, days.at(-1)!.day).map((day) => ({ day, values: known.get(day) ?? none }));
}

// since is when a span of days began.
export const since = (span: Span, now = Date.now()): string => new Date(now - spans[span] * 86_400_000).toISOString();

// policyText is a policy as a DMARC record has it.
export const policyText = (p: Schemas['ReportsPolicy']): string => [`p=${p.p}`, p.sp && `sp=${p.sp}`, p.np && `np=${p.np}`, p.testing && 't=y'].filter(Boolean).join('; ');
