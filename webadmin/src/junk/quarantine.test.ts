import { expect, test } from 'vitest';
import { mainReason, narrow } from './quarantine';

test.each([
  ['', {}],
  ['ana', {}],
  ['ana@example', {}],
  [' ana@example.org ', { account: 'ana@example.org' }],
  ['@example.org', { domain: 'example.org' }],
  ['@example', {}],
])('a search for %j asks for %j', (text, want) => expect(narrow(text)).toEqual(want));

test('the main reason is what weighs most for junk', () => {
  const reason = (score: number) => ({ name: 'x', score, text: `${score}` });
  expect(mainReason([reason(-9), reason(2), reason(4)])).toBe('4');
  expect(mainReason([reason(-9)])).toBe('');
});
