import type { Role, Schemas } from '$api/types';
import { bytes, list, when } from '$kit/format';
import { t } from '$kit/i18n';
import { roleWord } from '../../shell/roles';
import { rightWord } from './rights';

// The audit log in words.

export type Entry = Schemas['AuditEntry'];

const verbs: Record<string, string> = {
  'domain.add': t('added the domain'),
  'domain.set': t('changed the domain'),
  'domain.remove': t('removed the domain'),
  'dkim.set': t('changed the keys of'),
  'account.add': t('added the person'),
  'account.set': t('changed the person'),
  'account.remove': t('removed the person'),
  'account.password': t('set the password of'),
  'account.bring-back': t('brought back the person'),
  'account.invite': t('made a link for'),
  'alias.add': t('added the alias'),
  'alias.set': t('changed the alias'),
  'alias.remove': t('removed the alias'),
  'setting.set': t('changed the setting'),
  'api-key.add': t('made the API key'),
  'api-key.remove': t('revoked the API key'),
  'app-password.add': t('made an app password of'),
  'app-password.remove': t('took back an app password of'),
  'passkey.add': t('added a passkey of'),
  'passkey.set': t('renamed a passkey of'),
  'passkey.remove': t('removed a passkey of'),
  'totp.set': t('switched on codes for'),
  'totp.remove': t('switched off codes for'),
  'recovery-codes.set': t('made recovery codes of'),
  'backup.browse': t('looked in a backup at the mail of'),
  'backup.restore': t('brought mail of a backup back to'),
  'ban.lift': t('lifted the ban of'),
  'check.mute': t('muted the check'),
  'check.unmute': t('unmuted the check'),
  'queue.hold': t('held mail in the queue:'),
  'queue.release': t('released mail in the queue:'),
  'queue.retry': t('retried mail in the queue:'),
  'queue.cancel': t('cancelled mail in the queue:'),
  'queue.reroute': t('rerouted mail in the queue:'),
};

// verb says what was done to the object of an entry.
export const verb = (entry: Entry): string => verbs[entry.action] ?? entry.action;

export interface Difference {
  name: string;
  before: string;
  after: string;
}

const names: Record<string, string> = {
  name: t('Name'),
  address: t('Address'),
  role: t('Role'),
  domains: t('Domains'),
  suspended: t('Suspended'),
  quota_bytes: t('Quota'),
  quota_messages: t('Messages at most'),
  forward: t('Forwarded to'),
  keep_copy: t('Keeps a copy'),
  app_passwords_only: t('App passwords only'),
  targets: t('Leads to'),
  alias_of: t('Another name of'),
  catch_all: t('Catch-all'),
  separator: t('Separator'),
  disabled: t('Switched off'),
  keys: t('Keys'),
  label: t('Label'),
  scopes: t('Rights'),
  protocols: t('Protocols'),
  expires: t('Ends'),
  cidrs: t('Networks'),
};

const unsaid = new Set(['id', 'created', 'changed', 'creator']);

// differences are the fields that an entry changed, each with what it was and became. What was or is not there is "".
export function differences(entry: Pick<Entry, 'before' | 'after' | 'object'>): Difference[] {
  const { before, after } = entry;
  if (!isRecord(before) && !isRecord(after)) {
    return before === undefined && after === undefined ? [] : [{ name: t('Value'), before: shown('', before), after: shown('', after) }];
  }
  const was = isRecord(before) ? before : {};
  const is = isRecord(after) ? after : {};
  const fields = [...new Set([...Object.keys(was), ...Object.keys(is)])].filter((field) => !unsaid.has(field));
  return fields
    .map((field) => ({ name: names[field] ?? field, before: shown(field, was[field]), after: shown(field, is[field]) }))
    .filter((d) => d.before !== d.after && !(d.before === '' && d.after === entry.object) && !(d.after === '' && d.before === entry.object));
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

function shown(field: string, value: unknown): string {
  if (value === undefined || value === null || value === '') return '';
  if (typeof value === 'boolean') return value ? t('yes') : t('no');
  if (typeof value === 'number') return field === 'quota_bytes' ? bytes(value) : String(value);
  if (Array.isArray(value)) return list(value.map((part) => (isRecord(part) && typeof part.selector === 'string' ? part.selector : field === 'scopes' ? rightWord(String(part)) : shown('', part))));
  if (isRecord(value)) return Object.entries(value).map(([name, part]) => `${name}: ${shown(name, part)}`).join(', ');
  const text = String(value);
  if (field === 'role') return roleWord(text as Role);
  return /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(text) ? when(text) : text;
}
