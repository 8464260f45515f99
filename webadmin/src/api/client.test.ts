import { afterEach, describe, expect, it, vi } from 'vitest';
import { ApiError, api, hooks, path, url } from './client';
import { parser, type LiveEvent } from './events.svelte';

function answers(...list: [status: number, body?: unknown, headers?: Record<string, string>][]) {
  const fetch = vi.fn(async () => {
    const [status, body, headers] = list.shift()!;
    return new Response(body === undefined ? null : JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json', ...headers } });
  });
  vi.stubGlobal('fetch', fetch);
  return fetch as unknown as ReturnType<typeof vi.fn>;
}

afterEach(() => vi.unstubAllGlobals());

describe('addresses', () => {
  it('leaves out what is not set', () => expect(url('/traces', { q: '', limit: 5, cursor: undefined })).toBe('/api/v1/traces?limit=5'));
  it('repeats the name of a list', () => expect(url('/x', { name: ['a', 'b'] })).toBe('/api/v1/x?name=a&name=b'));
  it('encodes values', () => expect(path`/accounts/${'a/b@c'}:suspend`).toBe('/accounts/a%2Fb%40c:suspend'));
});

describe('requests', () => {
  it('gives the body', async () => {
    answers([200, { a: 1 }]);
    expect(await api.get('/x')).toEqual({ a: 1 });
  });
  it('takes an empty answer', async () => {
    answers([204]);
    expect(await api.delete('/x')).toBeUndefined();
  });
  it('names what is wrong with a field', async () => {
    answers([422, { code: 'invalid', title: 'Invalid', detail: 'One field is wrong.', errors: [{ location: 'body.address', message: 'has no domain' }] }]);
    const err = (await api.post('/x').catch((e) => e)) as ApiError;
    expect([err.code, err.field('address'), err.field('name'), err.rest('address'), err.rest('name')]).toEqual(['invalid', 'has no domain', '', '', 'One field is wrong.']);
  });
  it('says so when an error is no problem document', async () => {
    vi.stubGlobal('fetch', async () => new Response('<html>', { status: 502 }));
    await expect(api.get('/x')).rejects.toMatchObject({ status: 502, code: 'http-502' });
  });
  it('says so when nobody answers', async () => {
    vi.stubGlobal('fetch', async () => Promise.reject(new TypeError('failed')));
    await expect(api.get('/x')).rejects.toMatchObject({ status: 0, code: 'unreachable' });
  });
  it('goes to sign-in once signed out', async () => {
    answers([401, { code: 'signed-out', title: 'Signed out' }]);
    const signedOut = (hooks.signedOut = vi.fn());
    await expect(api.get('/x')).rejects.toBeInstanceOf(ApiError);
    expect(signedOut).toHaveBeenCalledOnce();
  });
  it('repeats what needed re-authentication, once', async () => {
    const refused = [403, { code: 'reauth-required', title: 'Again' }] as [number, unknown];
    const fetch = answers(refused, [200, { done: true }], refused, refused);
    hooks.reauthenticate = vi.fn(async () => true);
    expect(await api.post('/keys', { label: 'x' })).toEqual({ done: true });
    expect(fetch.mock.calls[0]).toEqual(fetch.mock.calls[1]);
    await expect(api.post('/keys')).rejects.toMatchObject({ code: 'reauth-required' });
  });
  it('does not repeat when the person gave up', async () => {
    const fetch = answers([403, { code: 'reauth-required', title: 'Again' }]);
    hooks.reauthenticate = vi.fn(async () => false);
    await expect(api.post('/keys')).rejects.toMatchObject({ code: 'reauth-required' });
    expect(fetch).toHaveBeenCalledOnce();
  });
  it('notices a new version', async () => {
    answers([200, {}, { 'X-App-Version': '1' }], [200, {}, { 'X-App-Version': '1' }], [200, {}, { 'X-App-Version': '2' }]);
    const newVersion = (hooks.newVersion = vi.fn());
    await api.get('/x');
    await api.get('/x');
    expect(newVersion).not.toHaveBeenCalled();
    await api.get('/x');
    expect(newVersion).toHaveBeenCalledWith('2');
  });
});

describe('event stream', () => {
  function read(...chunks: string[]): LiveEvent[] {
    const found: LiveEvent[] = [];
    const parse = parser((event) => found.push(event));
    chunks.forEach(parse);
    return found;
  }
  it('reads events', () => expect(read('id: 1\nevent: check.changed\ndata: {"a":1}\n\n')).toEqual([{ id: '1', event: 'check.changed', data: { a: 1 } }]));
  it('joins pieces', () => expect(read('id: 1\nev', 'ent: a\r', '\ndata: "x', '"\n', '\n')).toEqual([{ id: '1', event: 'a', data: 'x' }]));
  it('skips heartbeats', () => expect(read(': beat\n\n')).toEqual([]));
  it('joins lines of data', () => expect(read('data: [1,\ndata: 2]\n\n')[0]?.data).toEqual([1, 2]));
});
