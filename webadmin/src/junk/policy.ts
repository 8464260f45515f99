import type { Schemas } from '$api/types';
import { t, tn } from '$kit/i18n';
import { count, day } from '$kit/format';

export type Policy = Schemas['VerdictPolicy'];
export type JunkPolicy = Schemas['JunkPolicy'];
export type WhatIf = Schemas['WhatIf'];

export const modeChoices = (): { value: Policy['mode']; label: string; hint: string }[] => [
  { value: 'file', label: t('Sort'), hint: t('Mail goes to Junk, into quarantine or back to its sender, by its score.') },
  { value: 'tag', label: t('Only mark'), hint: t('All mail goes to the inbox; a header field and a keyword tell what would have been done.') },
  { value: 'off', label: t('Off'), hint: t('The score counts for nothing. Lists and what checks decide alone still count.') },
];

// threshold reads what was typed; nothing is never, which is 0. It is undefined when it is no number.
export function threshold(text: string): number | undefined {
  const clean = text.trim().replace(',', '.');
  if (clean === '') return 0;
  return /^\d{1,4}(\.\d{1,2})?$/.test(clean) ? Number(clean) : undefined;
}

export const shown = (value: number): string => (value === 0 ? '' : String(value));

export const same = (a: Policy, b: Policy): boolean => a.mode === b.mode && a.junk === b.junk && a.quarantine === b.quarantine && a.refuse === b.refuse;

// whatIfSentence sums up what would have been different.
export function whatIfSentence(answer: WhatIf): string {
  if (!answer.messages) return t('No mail of the last 30 days is known, so nobody can say what would have been different.');
  const changed = answer.changes.reduce((sum, change) => sum + change.count, 0);
  const looked = tn(answer.messages, '{n} delivery', '{n} deliveries');
  const since = day(answer.since);
  if (!changed) return t('Of {looked} since {since}, none would have gone elsewhere.', { looked, since });
  return t('Of {looked} since {since}, {changed} would have gone elsewhere:', { looked, since, changed: count(changed) });
}
