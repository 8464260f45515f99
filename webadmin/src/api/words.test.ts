import { expect, test } from 'vitest';
import { browserName, methodName } from './words';

test.each([
  ['Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox on Windows'],
  ['Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0 Safari/537.36', 'Chrome on Linux'],
  ['Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1 Version/19.0 Mobile/15E148 Safari/604.1', 'Safari on iPhone'],
  ['Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/141.0 Safari/537.36 Edg/141.0', 'Edge on Windows'],
  ['curl/8.5.0', 'curl/8.5.0'],
  ['', 'an unknown program'],
])('browserName(%s)', (agent, want) => {
  expect(browserName(agent)).toBe(want);
});

test.each([
  ['passkey', 'passkey'],
  ['password+totp', 'password and code'],
  ['reset+recovery', 'reset link and recovery code'],
  ['something-new', 'something-new'],
])('methodName(%s)', (method, want) => {
  expect(methodName(method)).toBe(want);
});
