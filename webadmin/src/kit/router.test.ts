import { describe, expect, it } from 'vitest';
import { matchPattern } from './match';

describe('matchPattern', () => {
  for (const [pattern, path, want] of [
    ['/admin', '/admin/', {}],
    ['/admin', '/admin/x', undefined],
    ['/admin/people/:address', '/admin/people/ana%40example.org', { address: 'ana@example.org' }],
    ['/admin/people/:address', '/admin/people', undefined],
    ['/admin/queue/:id?', '/admin/queue', {}],
    ['/admin/queue/:id?', '/admin/queue/7', { id: '7' }],
    ['/admin/queue/:id?', '/admin/queue/7/8', undefined],
    ['/admin/queue/:id', '/admin/queue/%zz', { id: '%zz' }],
    ['/admin/queue/:id', '/admin/queue/..%2fx', { id: '../x' }],
  ] as const) {
    it(`${pattern} on ${path}`, () => expect(matchPattern(pattern, path)).toEqual(want));
  }
});
