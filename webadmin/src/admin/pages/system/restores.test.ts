import { describe, expect, test } from 'vitest';
import { comesWith, flagWords, outcome, perMailbox, scopeWords, type Result } from './restores';

const result = (part: Partial<Result>): Result => ({ dryRun: true, added: 0, bytes: 0, alreadyThere: 0, mailboxes: {}, newMailboxes: [], messages: [], ...part });

describe('what is brought back', () => {
  test.each([
    [{}, 'all mail of ana@a.test'],
    [{ mailbox: 'INBOX' }, 'the mailbox INBOX'],
    [{ mailbox: 'INBOX', uids: [3] }, '1 message of INBOX'],
    [{ mailbox: 'INBOX', uids: [3, 4] }, '2 messages of INBOX'],
    [{ mailbox: 'INBOX', text: 'roof' }, 'what the search finds in INBOX'],
    [{ since: '2026-11-01T00:00:00Z' }, 'what the search finds of ana@a.test'],
  ])('%o', (scope, words) => expect(scopeWords(scope, 'ana@a.test')).toBe(words));
});

describe('what came of it', () => {
  test.each([
    [{ added: 1, bytes: 500 }, '1 message (500 B) would be added.'],
    [{ added: 2, bytes: 500, alreadyThere: 1 }, '2 messages (500 B) would be added. 1 is there already, octet for octet.'],
    [{ added: 2, bytes: 500, dryRun: false }, '2 messages (500 B) were added.'],
    [{ alreadyThere: 3 }, 'Nothing is missing. 3 are there already, octet for octet.'],
    [{}, 'There is no mail to add.'],
    [{ dryRun: false }, 'There was no mail to add.'],
  ])('%o', (part, words) => expect(outcome(result(part))).toBe(words));

  test('mailboxes, the fullest first', () =>
    expect(perMailbox(result({ mailboxes: { Old: 1, INBOX: 4, Ideas: 1 }, newMailboxes: ['Old'] })).map((m) => [m.name, m.text, m.fresh])).toEqual([['INBOX', '4', false], ['Ideas', '1', false], ['Old', '1', true]]));
});

test('what comes with an account', () => {
  const none = { address: 'ana@example.org', password: false, secondFactor: false, appPasswords: [], passkeys: [], filters: 0, junkPolicy: false, aliases: [], forward: [], left: [] };
  expect(comesWith(none)).toEqual([]);
  expect(comesWith({ ...none, password: true })).toEqual(['its password']);
  expect(comesWith({ ...none, password: true, secondFactor: true, appPasswords: ['Phone', 'Laptop'], filters: 1 })).toEqual(['its password and second factor', 'app passwords: Phone and Laptop', '1 allowed or blocked sender']);
});

test('marks', () => {
  expect(flagWords(['\\Seen'])).toBe('');
  expect(flagWords(['\\Seen', '\\Flagged', '$Label1'])).toBe('starred, $Label1');
});
