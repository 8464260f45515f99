import { describe, expect, it } from 'vitest';
import { ago, bytes, daysLeft, due, duration, localTimes, share, when } from './format';

describe('bytes', () => {
  for (const [n, want] of [[0, '0 B'], [999, '999 B'], [1000, '1 KB'], [84_210, '84.2 KB'], [999_999, '1 MB'], [12.4e9, '12.4 GB'], [40e9, '40 GB'], [123e9, '123 GB']] as const) {
    it(String(n), () => expect(bytes(n)).toBe(want));
  }
});

describe('share says 100 and 0 only when it is all and none', () => {
  for (const [part, want] of [[1, '100 %'], [0.9996, '99.9 %'], [0.985, '99 %'], [0.5, '50 %'], [0.0001, '0.1 %'], [0, '0 %']] as const) {
    it(String(part), () => expect(share(part)).toBe(want));
  }
});

describe('duration', () => {
  for (const [s, want] of [[0.42, '0.4 s'], [59, '59 s'], [60, '1 min'], [3599, '59 min'], [7200, '2 h'], [90_000, '1 d']] as const) {
    it(String(s), () => expect(duration(s)).toBe(want));
  }
});

describe('times', () => {
  const now = Date.parse('2026-11-24T12:00:00Z');
  it('past', () => expect(ago('2026-11-24T11:55:00Z', now)).toBe('5 min ago'));
  it('future', () => expect(ago('2026-11-24T15:00:00Z', now)).toBe('in 3 h'));
  it('now', () => expect(ago('2026-11-24T11:59:58Z', now)).toBe('just now'));
  it('due later', () => expect(due('2026-11-24T15:00:00Z', now)).toBe('in 3 h'));
  it('due at once', () => expect(due('2026-11-24T12:00:05Z', now)).toBe('now'));
  it('due and late', () => expect(due('2026-11-24T11:50:00Z', now)).toBe('now'));
  it('in a text', () => expect(localTimes('next attempt at 2026-11-24T15:04:00Z; 2026-99-99T99:99:99Z', now)).toBe(`next attempt at ${when('2026-11-24T15:04:00Z', now)}; 2026-99-99T99:99:99Z`));
  it('left', () => expect(daysLeft('2027-01-24T12:00:00Z', now)).toBe('61 days left'));
  it('over', () => expect(daysLeft('2026-11-23T11:00:00Z', now)).toBe('ended 2 days ago'));
});
