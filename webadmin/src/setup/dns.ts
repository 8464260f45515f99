import type { Schemas } from '$api/types';
import { t } from '$kit/i18n';

export type DNSRecord = Schemas['DNSRecord'];
export type DNSReport = Schemas['DNSReport'];

// How a record stands in the first run, where most are not there yet: to publish is work to do, not something wrong.
export type Standing = 'right' | 'wrong' | 'unknown' | 'todo';

export function standingOf(record: Pick<DNSRecord, 'state'>): Standing {
  switch (record.state) {
    case 'ok':
      return 'right';
    case 'wrong':
      return 'wrong';
    case 'unknown':
      return 'unknown';
    default:
      return 'todo';
  }
}

export function standingWord(standing: Standing): string {
  return { right: t('Found'), wrong: t('Not right yet'), unknown: t('No answer'), todo: t('Not there yet') }[standing];
}

export interface Part {
  id: 'receive' | 'send' | 'nice';
  title: string;
  records: DNSRecord[];
  right: number;
}

// partsOf sorts the records by how much they are needed: to get mail, to send it, and what can wait.
export function partsOf(report: Pick<DNSReport, 'groups'>): Part[] {
  const records = report.groups.flatMap((group) => group.records);
  const needed = (group: string) => records.filter((r) => !r.optional && r.group === group);
  const parts: Omit<Part, 'right'>[] = [
    { id: 'receive', title: t('Needed to receive'), records: needed('receive') },
    { id: 'send', title: t('Needed to send'), records: records.filter((r) => !r.optional && r.group !== 'receive') },
    { id: 'nice', title: t('Nice to have'), records: records.filter((r) => r.optional) },
  ];
  return parts.filter((part) => part.records.length > 0).map((part) => ({ ...part, right: part.records.filter((r) => r.state === 'ok').length }));
}
