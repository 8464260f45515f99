import { expect, test } from 'vitest';
import { subjectKind } from './lists';

test.each([
  ['ana@example.org', 'Person'],
  ['"a b"@example.org', 'Person'],
  ['@example.org', 'Domain'],
  ['.example.org', 'Domain and all below'],
  ['192.0.2.0/24', 'Network'],
  ['2001:db8::/32', 'Network'],
  ['192.0.2.1', 'Server'],
  ['2001:db8::1', 'Server'],
  ['.fe', 'Domain and all below'],
])('%s is a %s', (entry, kind) => expect(subjectKind(entry)).toBe(kind));
