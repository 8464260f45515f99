import { describe, expect, it } from 'vitest';
import { since, sourceState, stacks, verdictState } from './reports';

describe('stacks', () => {
  const values = (day: { pass: number; fail: number }) => [day.pass, day.fail];
  it('show days without reports as empty', () =>
    expect(stacks([{ day: '2026-11-20', pass: 3, fail: 1 }, { day: '2026-11-22', pass: 2, fail: 0 }], values)).toEqual([
      { day: '2026-11-20', values: [3, 1] },
      { day: '2026-11-21', values: [0, 0] },
      { day: '2026-11-22', values: [2, 0] },
    ]));
  it('are none without reports', () => expect(stacks([], values)).toEqual([]));
});

describe('words', () => {
  it('for what nobody has named yet', () => expect([verdictState('new'), sourceState('new')]).toEqual(['unknown', { state: 'unknown', word: 'new' }]));
  it('for how a domain stands', () => expect(['safe', 'fix-first', 'no-reports'].map(verdictState)).toEqual(['ok', 'warn', 'unknown']));
});

it('a span ends now', () => expect(since('7d', Date.parse('2026-11-28T00:00:00Z'))).toBe('2026-11-21T00:00:00.000Z'));
