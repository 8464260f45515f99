import type { Schemas } from '$api/types';
import { t, tn } from '$kit/i18n';
import type { StateName } from '$kit/states';

// Words and shapes for what the DNS of a domain should have and has.

export type DNSRecord = Schemas['DNSRecord'];
export type DNSReport = Schemas['DNSReport'];
type Counts = Pick<Schemas['DNSSummary'], 'right' | 'of' | 'unknown' | 'failing'>;

// sentence makes a part of a sentence, as the API gives them, into one that stands alone.
export const sentence = (text: string): string => text && text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');

export const neverChecked = (report: { checkedAt: string }): boolean => report.checkedAt.startsWith('0001-');

// standing is how a domain's DNS stands, for a cell of a table. What is missing but only nice to have makes nothing wrong.
export function standing(dns: Counts | undefined): { state: StateName; word: string } {
  if (!dns) return { state: 'unknown', word: t('Not checked yet') };
  if (dns.failing) return { state: 'fail', word: tn(dns.failing, '{n} record to fix', '{n} records to fix') };
  if (!dns.of) return { state: 'unknown', word: t('No answer') };
  const word = t('{right} of {of} right', { right: dns.right, of: dns.of });
  return { state: dns.unknown ? 'unknown' : 'ok', word };
}

// recordState is the state of one record, which is two more than checks have: missing without harm, and right with something
// beside it that may go.
export function recordState(record: Pick<DNSRecord, 'state' | 'optional' | 'code'>): { state: StateName; word: string } {
  switch (record.state) {
    case 'ok':
      return record.code ? { state: 'info', word: t('Right, with a leftover') } : { state: 'ok', word: t('Right') };
    case 'wrong':
      return { state: 'fail', word: t('Wrong') };
    case 'missing':
      return record.optional ? { state: 'info', word: t('Not there, nice to have') } : { state: 'fail', word: t('Missing') };
    case 'unknown':
      return { state: 'unknown', word: t('No answer') };
    default:
      return { state: 'unknown', word: t('Not checked yet') };
  }
}

// needsWork says whether a record should stand open.
export const needsWork = (record: Pick<DNSRecord, 'state' | 'optional'>): boolean => recordState(record).state === 'fail';

export function groupTitle(name: string): string {
  const titles: Record<string, string> = {
    receive: t('Needed to receive'),
    send: t('Needed to send'),
    protect: t('Protects your mail'),
    clients: t('Helps mail programs set themselves up'),
  };
  return titles[name] ?? name;
}

export interface PanelField {
  label: string;
  value: string;
  // What to do where there is nothing to copy.
  hint?: string;
}

// panelFields takes a record apart into the fields of a DNS provider's panel, under the names they have there.
export function panelFields(record: DNSRecord, provider?: Schemas['DNSProvider']): PanelField[] {
  const words = provider?.fields;
  const fields: PanelField[] = [{ label: t('Type'), value: record.type }];
  const top = record.host === '@';
  const host = top && words ? words.apex : record.host;
  fields.push({ label: words?.host || t('Name'), value: host, ...(top && !host ? { hint: t('leave it empty') } : {}) });
  for (const part of valueParts(record, words?.value || t('Value'))) fields.push(part);
  return fields;
}

// valueParts splits the values that panels ask for in pieces: MX (RFC 1035 section 3.3.9) and SRV (RFC 2782).
function valueParts(record: DNSRecord, label: string): PanelField[] {
  const words = record.want.split(' ');
  if (record.type === 'MX' && words.length === 2) {
    return [{ label: t('Priority'), value: words[0]! }, { label, value: words[1]! }];
  }
  if (record.type === 'SRV' && words.length === 4) {
    const names = [t('Priority'), t('Weight'), t('Port'), t('Target')];
    return words.map((value, i) => ({ label: names[i]!, value }));
  }
  return record.want ? [{ label, value: record.want }] : [];
}

// zoneText is all records as lines of a zone file, each with its reason. Reverse names are in another's zone.
export function zoneText(report: DNSReport): string {
  const records = report.groups.flatMap((group) => group.records).filter((record) => record.zoneFile && record.type !== 'PTR');
  return records.map((record) => `; ${record.why}\n${record.zoneFile}\n`).join('');
}
