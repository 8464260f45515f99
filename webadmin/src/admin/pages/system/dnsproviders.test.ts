import { describe, expect, it } from 'vitest';
import { complete } from './dnsproviders';

describe('complete', () => {
  const given = { name: 'a', zones: 'example.org', server: '', login: '', secret: 's' };
  it('a token is enough for most', () => expect(complete('cloudflare', given, false)).toBe(true));
  it('a name server needs more', () => expect(complete('rfc2136', given, false)).toBe(false));
  it('and with it is enough', () => expect(complete('rfc2136', { ...given, server: '192.0.2.53', login: 'key' }, false)).toBe(true));
  it('nothing works without a zone', () => expect(complete('cloudflare', { ...given, zones: ' , ' }, false)).toBe(false));
  it('the secret may be kept', () => {
    expect(complete('cloudflare', { ...given, secret: '' }, false)).toBe(false);
    expect(complete('cloudflare', { ...given, secret: '' }, true)).toBe(true);
  });
});
