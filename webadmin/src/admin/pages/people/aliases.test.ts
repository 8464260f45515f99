import { expect, test } from 'vitest';
import { kindOf, sameTargets } from './aliases';

test.each([
  [['a@x'], ['A@X', 'a@x'], true],
  [['a@x', 'b@x'], ['b@x', 'a@x'], true],
  [['a@x'], ['a@x', 'b@x'], false],
  [['a@x', 'b@x'], ['a@x'], false],
  [['a@x'], [], false],
])('targets %o are %o: %s', (now, wanted, same) => expect(sameTargets(now, wanted)).toBe(same));

test('one target is an alias, more are a group', () => {
  const alias = (targets: string[]) => ({ address: 'info@x', created: '', targets });
  expect(kindOf(alias(['a@x']))).toBe('Alias');
  expect(kindOf(alias(['a@x', 'b@x']))).toBe('Group of 2');
});
