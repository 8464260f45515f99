import { describe, expect, it } from 'vitest';
import { alone } from './alone';

describe('alone', () => {
  for (const [values, want] of [
    [[], []],
    [[3], [0]],
    [[null, 0, null], [1]],
    [[1, 2, null, 3, undefined, 4, 5], [3]],
    [[null, null, 7], [2]],
  ] as [(number | null | undefined)[], number[]][]) {
    it(JSON.stringify(values), () => expect(alone(values)).toEqual(want));
  }
});
