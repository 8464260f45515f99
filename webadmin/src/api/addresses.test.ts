import { expect, test } from 'vitest';
import { addressesOf } from './addresses';

test.each([
  ['', []],
  [' \n ', []],
  ['a@example.org', ['a@example.org']],
  ['a@example.org, b@example.org;\nc@example.org\n', ['a@example.org', 'b@example.org', 'c@example.org']],
  ['a@example.org a@example.org', ['a@example.org']],
])('addressesOf(%j)', (text, want) => {
  expect(addressesOf(text)).toEqual(want);
});
