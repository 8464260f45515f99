import { expect, test } from 'vitest';
import { linkLines, ordered, refusedFirst, verdict } from './bulk';

const rows = [
  { line: 1, address: 'a@x', invite: 'https://h/1' },
  { line: 2, address: 'b@x' },
  { line: 3, address: 'c', error: 'is no address' },
];

test('what fails comes first', () => expect(ordered(rows).map((row) => row.line)).toEqual([3, 1, 2]));
test('links stand behind their addresses', () => expect(linkLines(rows)).toBe('a@x\thttps://h/1\n'));

test('what is refused comes first, and says what would be', () => {
  const list = refusedFirst([{ address: 'a', kind: 'account', verdict: 'there' }, { address: 'b', kind: 'account', verdict: 'left-out' }, { address: 'c', kind: 'alias', verdict: 'refused' }, { address: 'd', kind: 'account', verdict: 'made' }]);
  expect(list.map((row) => row.address)).toEqual(['c', 'b', 'a', 'd']);
  expect(list.map((row) => verdict(row, false).state)).toEqual(['fail', 'warn', 'info', 'ok']);
  expect(verdict(list[3]!, true).label).toBe('Made');
});
