import type { Schemas } from '$api/types';
import { day } from '$kit/format';
import { t } from '$kit/i18n';

export type Storage = Schemas['Storage'];
type Kind = Schemas['StorageKind']['kind'];

const names: Record<Kind, string> = {
  mail: t('Messages'),
  'large-bodies': t('Large messages'),
  junk: t('What was learned about junk'),
  reports: t('Reports'),
  mailboxes: t('Mailboxes'),
  search: t('Search index'),
  queue: t('Queue'),
  traces: t('Stories of messages'),
  metrics: t('Numbers for charts'),
  directory: t('Domains, people and settings'),
  certificates: t('Certificates'),
  backups: t('Backups'),
  exports: t('Copies that people made'),
  'kept-free': t('Kept free for deleting mail'),
  other: t('Other'),
};

export const kindName = (kind: Kind): string => names[kind] ?? kind;

// forecast is when the disk is full, in a sentence.
export function forecast(disk: Schemas['DiskUse']): string {
  if (disk.fullAt) return t('At the pace of the last 30 days it is full about {day}.', { day: day(disk.fullAt) });
  return t('No day in sight on which it is full: it does not get fuller, or there are numbers of less than three days.');
}
