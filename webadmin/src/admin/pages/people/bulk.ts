import { says } from '$api/client';
import type { Schemas } from '$api/types';
import { t } from '$kit/i18n';
import type { StateName } from '$kit/states';
import { toasts } from '$kit/toast.svelte';

type Row = Schemas['BulkRow'];

// ordered puts lines that fail before the others; else the order of the text stays.
export const ordered = (rows: Row[]): Row[] => [...rows].sort((a, b) => Number(Boolean(b.error)) - Number(Boolean(a.error)) || a.line - b.line);

// linkLines is the links to give, one a line behind its address, as spreadsheets take them.
export const linkLines = (rows: { address: string; invite?: string }[]): string => rows.filter((row) => row.invite).map((row) => `${row.address}\t${row.invite}\n`).join('');

// copyLinks puts them on the clipboard, and says whether that went well.
export async function copyLinks(rows: Parameters<typeof linkLines>[0]): Promise<void> {
  try {
    await navigator.clipboard.writeText(linkLines(rows));
    toasts.done(t('All links are copied, each behind its address.'));
  } catch (err) {
    toasts.failed(t('Could not copy: {reason}', { reason: says(err) }));
  }
}

type Listed = Schemas['PeopleRow'];

// refusedFirst puts what is refused before what is left out and the rest; else the order of the list stays.
const rank = (row: Listed): number => ({ refused: 0, 'left-out': 1, made: 2, there: 2 })[row.verdict];
export const refusedFirst = (rows: Listed[]): Listed[] => [...rows].sort((a, b) => rank(a) - rank(b));

// verdict is what came, or would come, of a row, as an icon and a word.
export function verdict(row: Listed, done: boolean): { state: StateName; label: string } {
  switch (row.verdict) {
    case 'made':
      return { state: 'ok', label: done ? t('Made') : t('Would be made') };
    case 'there':
      return { state: 'info', label: t('Here before') };
    case 'left-out':
      return { state: 'warn', label: t('Left out') };
    default:
      return { state: 'fail', label: t('Refused') };
  }
}
