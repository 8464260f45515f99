import { describe, expect, it } from 'vitest';
import { isDue, standing, type Certificate } from './certificates';

const now = Date.parse('2026-11-01T00:00:00Z');
const good: Certificate = { name: 'mail.example.org', source: 'acme', state: 'good', notAfter: '2026-12-31T00:00:00Z' };

describe('standing', () => {
  it.each<[string, Partial<Certificate>, string, string]>([
    ['good', {}, 'ok', 'Good'],
    ['due', { state: 'renewing', notAfter: '2026-11-20T00:00:00Z' }, 'ok', 'Good, is being renewed'],
    ['cannot be renewed', { problem: 'rate limit' }, 'warn', 'Good, its renewal fails'],
    ['about to end', { problem: 'rate limit', notAfter: '2026-11-02T12:00:00Z' }, 'fail', '1 day left'],
    ['ended', { state: 'expired', notAfter: '2026-10-01T00:00:00Z' }, 'fail', 'Has ended'],
    ['not to be had', { state: 'failing', notAfter: undefined, problem: 'no' }, 'fail', 'There is none yet'],
    ['not to be had, and nobody misses it', { state: 'failing', notAfter: undefined, problem: 'no', optional: true }, 'warn', 'There is none yet'],
    ['ordered', { state: 'waiting', notAfter: undefined }, 'info', 'Is being got'],
    ['elsewhere', { state: 'away', notAfter: undefined }, 'unknown', 'Does not lead here'],
    ['of its own', { source: 'self-signed' }, 'warn', 'Not trusted by others'],
    ['old files', { source: 'files', notAfter: '2026-11-10T00:00:00Z' }, 'warn', '9 days left'],
    ['files of another name', { source: 'files', problem: 'not valid for' }, 'warn', 'Not for this name'],
  ])('%s', (_, change, state, label) => {
    expect(standing({ ...good, ...change }, now)).toEqual({ state, label });
  });
});

it('only what is missing or late is due', () => {
  expect(isDue(good)).toBe(false);
  expect(isDue({ ...good, state: 'away' })).toBe(false);
  expect(isDue({ ...good, state: 'failing' })).toBe(true);
  expect(isDue({ ...good, state: 'renewing' })).toBe(true);
  expect(isDue({ ...good, source: 'files', state: 'expired' })).toBe(false);
});
