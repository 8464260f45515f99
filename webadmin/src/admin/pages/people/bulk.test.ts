import { expect, test } from 'vitest';
import { linkLines, ordered } from './bulk';

const rows = [
  { line: 1, address: 'a@x', invite: 'https://h/1' },
  { line: 2, address: 'b@x' },
  { line: 3, address: 'c', error: 'is no address' },
];

test('what fails comes first', () => expect(ordered(rows).map((row) => row.line)).toEqual([3, 1, 2]));
test('links stand behind their addresses', () => expect(linkLines(rows)).toBe('a@x\thttps://h/1\n'));
