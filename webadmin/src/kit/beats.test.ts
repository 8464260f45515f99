import { describe, expect, it } from 'vitest';
import { beats } from './beats';

describe('beats', () => {
  const now = Date.parse('2026-11-24T12:00:00Z');
  const states = (...changes: [at: string, state: 'ok' | 'warn' | 'fail' | 'unknown'][]) =>
    beats(changes.map(([at, state]) => ({ at, state })), 4, now).map((beat) => beat.state);

  it('goes on with the last state', () => expect(states(['2026-10-01T00:00:00Z', 'ok'])).toEqual(['ok', 'ok', 'ok', 'ok']));
  it('knows nothing before the first', () => expect(states(['2026-11-22T18:00:00Z', 'ok'])).toEqual([undefined, undefined, 'ok', 'ok']));
  it('shows the worst of a day', () =>
    expect(states(['2026-10-01T00:00:00Z', 'ok'], ['2026-11-23T01:00:00Z', 'fail'], ['2026-11-23T01:01:00Z', 'ok'])).toEqual(['ok', 'ok', 'fail', 'ok']));
  it('is not alarmed by not knowing', () => expect(states(['2026-10-01T00:00:00Z', 'ok'], ['2026-11-23T01:00:00Z', 'unknown'], ['2026-11-23T02:00:00Z', 'ok'])).toEqual(['ok', 'ok', 'ok', 'ok']));
  it('draws nothing of nothing', () => expect(states()).toEqual([undefined, undefined, undefined, undefined]));
});
