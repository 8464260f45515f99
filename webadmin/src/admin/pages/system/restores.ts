import type { Schemas } from '$api/types';
import { bytes, count, list } from '$kit/format';
import { t, tn } from '$kit/i18n';

export type Message = Schemas['BackupMessage'];

// Result is that of the job that brings mail back.
export type Result = Schemas['BackupIntoResult'];

// Back is what comes with an account that is added again, and sentences about what does not.
export type Back = Schemas['BroughtBack'];

// Scope is what of an account is brought back: empty fields do not narrow it.
export interface Scope {
  mailbox?: string;
  uids?: number[];
  text?: string;
  since?: string;
  before?: string;
}

// scopeWords says what a scope means, as it stands in a heading: "Bring back …".
export function scopeWords(scope: Scope, account: string): string {
  if (scope.uids?.length) return tn(scope.uids.length, '{n} message of {mailbox}', '{n} messages of {mailbox}', { mailbox: scope.mailbox ?? '' });
  const found = scope.text || scope.since || scope.before;
  if (scope.mailbox) return found ? t('what the search finds in {mailbox}', { mailbox: scope.mailbox }) : t('the mailbox {mailbox}', { mailbox: scope.mailbox });
  return found ? t('what the search finds of {account}', { account }) : t('all mail of {account}', { account });
}

// outcome says in one sentence what a restore has done, or would do.
export function outcome(r: Result): string {
  const size = { size: bytes(r.bytes) };
  const there = r.alreadyThere ? ' ' + tn(r.alreadyThere, '{n} is there already, octet for octet.', '{n} are there already, octet for octet.') : '';
  if (r.added === 0) return (r.alreadyThere ? t('Nothing is missing.') : r.dryRun ? t('There is no mail to add.') : t('There was no mail to add.')) + there;
  if (r.dryRun) return tn(r.added, '{n} message ({size}) would be added.', '{n} messages ({size}) would be added.', size) + there;
  return tn(r.added, '{n} message ({size}) was added.', '{n} messages ({size}) were added.', size) + there;
}

// perMailbox lists where messages go, the most first.
export function perMailbox(r: Result): { name: string; text: string; fresh: boolean }[] {
  return Object.entries(r.mailboxes)
    .sort(([a, m], [b, n]) => n - m || a.localeCompare(b))
    .map(([name, n]) => ({ name, text: count(n), fresh: !r.newAccount && r.newMailboxes.includes(name) }));
}

// comesWith lists what comes with an account.
export function comesWith(b: Back): string[] {
  const parts: [boolean | number, () => string][] = [
    [b.password && !b.secondFactor, () => t('its password')],
    [b.password && b.secondFactor, () => t('its password and second factor')],
    [!b.password && b.secondFactor, () => t('its second factor')],
    [b.appPasswords.length, () => t('app passwords: {names}', { names: list(b.appPasswords) })],
    [b.passkeys.length, () => t('passkeys: {names}', { names: list(b.passkeys) })],
    [b.filters, () => tn(b.filters, '{n} allowed or blocked sender', '{n} allowed or blocked senders')],
    [b.junkPolicy, () => t('its own thresholds for junk')],
    [b.aliases.length, () => t('aliases: {names}', { names: list(b.aliases) })],
    [b.forward.length, () => t('forwarding to {names}', { names: list(b.forward) })],
  ];
  return parts.filter(([on]) => on).map(([, words]) => words());
}

const flagNames: Record<string, () => string> = {
  '\\Answered': () => t('answered'),
  '\\Flagged': () => t('starred'),
  '\\Deleted': () => t('to be deleted'),
  '\\Draft': () => t('draft'),
};

// flagWords are the marks of a message for people. Whether it was read is shown in another way.
export function flagWords(flags: string[]): string {
  const words = flags.filter((flag) => flag !== '\\Seen').map((flag) => flagNames[flag]?.() ?? flag);
  return words.join(', ');
}
