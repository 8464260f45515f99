import { expect, test } from 'vitest';
import { kindOf, targetChange } from './aliases';

test.each([
  [['a@x'], ['a@x'], [], []],
  [['a@x'], ['A@X', 'b@x'], ['b@x'], []],
  [['a@x', 'b@x'], ['c@x'], ['c@x'], ['a@x', 'b@x']],
  [['a@x'], [], [], ['a@x']],
])('targets %o become %o', (now, wanted, add, remove) => expect(targetChange(now, wanted)).toEqual({ add, remove }));

test('one target is an alias, more are a group', () => {
  const alias = (targets: string[]) => ({ address: 'info@x', created: '', targets });
  expect(kindOf(alias(['a@x']))).toBe('Alias');
  expect(kindOf(alias(['a@x', 'b@x']))).toBe('Group of 2');
});
