import { describe, expect, it } from 'vitest';
import { bars } from './bars';

describe('bars', () => {
  it('keeps few values', () => expect(bars([1, 2, 3], 24)).toEqual([1, 2, 3]));
  it('sums many', () => expect(bars([1, 2, 3, 4, 5], 3)).toEqual([3, 7, 5]));
  it('does not take unknown for nothing', () => expect(bars([null, undefined, 1, null], 2)).toEqual([null, 1]));
  it('makes nothing of nothing', () => expect(bars([], 24)).toEqual([]));
});
