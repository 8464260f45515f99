import type { Schemas } from '$api/types';
import { t } from '$kit/i18n';
import type { StateName } from '$kit/states';

// What a DNS provider is going to do, and has done.

export type DNSPlan = Schemas['DNSPlan'];
export type ZoneChange = Schemas['ZoneChange'];

export const idOf = (c: ZoneChange): string => c.records.join(' ');

// changes says whether something is published without touching what others have.
export const changes = (c: Pick<ZoneChange, 'action'>): boolean => ['add', 'merge', 'replace'].includes(c.action);

// requestFor publishes just what was chosen, as it was seen. What others have published may go only where that was ticked.
export function requestFor(chosen: ZoneChange[]): Schemas['DNSApply'] {
  return {
    records: chosen.flatMap((c) => c.records),
    replace: chosen.filter((c) => c.action === 'foreign').flatMap((c) => c.records),
    seen: chosen.map((c) => c.digest),
  };
}

export interface Line {
  kind: 'gone' | 'stays' | 'new';
  word: string;
  value: string;
}

// lines are the values as a diff: what goes, what stays, what comes.
export function lines(c: Pick<ZoneChange, 'have' | 'want' | 'remove'>): Line[] {
  return [
    ...c.remove.map((value): Line => ({ kind: 'gone', word: t('goes'), value })),
    ...c.want.filter((value) => c.have.includes(value)).map((value): Line => ({ kind: 'stays', word: t('stays'), value })),
    ...c.want.filter((value) => !c.have.includes(value)).map((value): Line => ({ kind: 'new', word: t('comes'), value })),
  ];
}

// outcome is what became of a change, or of one that is done by hand.
export function outcome(c: ZoneChange): { state: StateName; label: string } {
  if (c.done) return { state: 'ok', label: t('published') };
  switch (c.action) {
    case 'keep':
      return { state: 'ok', label: t('was right') };
    case 'manual':
      return { state: 'info', label: t('by hand') };
    default:
      return { state: 'unknown', label: t('left alone') };
  }
}
