import { describe, expect, it } from 'vitest';
import { ceiling, dayLabel, everyDay } from './stack';

describe('ceiling', () => {
  for (const [value, want] of [[0, 2], [2, 2], [3, 4], [5, 6], [7, 8], [9, 10], [11, 20], [40, 40], [41, 60], [999, 1000]] as const) it(String(value), () => expect(ceiling(value)).toBe(want));
});

describe('days', () => {
  it('are told in UTC', () => expect([dayLabel('2026-11-24'), dayLabel('2026-11-24T23:59:00Z')]).toEqual(['24 Nov', '24 Nov']));
  it('have no gaps', () => expect(everyDay('2026-11-29T10:00:00Z', '2026-12-02')).toEqual(['2026-11-29', '2026-11-30', '2026-12-01', '2026-12-02']));
  it('are bounded', () => expect(everyDay('0001-01-01', '2026-01-01', 5)).toHaveLength(5));
  it('may be none', () => expect(everyDay('2026-12-02', '2026-12-01')).toEqual([]));
});
