import { describe, expect, it } from 'vitest';
import { same, shown, threshold, whatIfSentence, type WhatIf } from './policy';

describe('thresholds', () => {
  for (const [text, want] of [['5', 5], [' 7.5 ', 7.5], ['7,5', 7.5], ['', 0], ['0', 0], ['-1', undefined], ['x', undefined], ['1e3', undefined], ['99999', undefined]] as const) {
    it(`reads ${JSON.stringify(text)}`, () => expect(threshold(text)).toBe(want));
  }
  it('shows never as nothing', () => expect([shown(0), shown(5)]).toEqual(['', '5']));
});

it('knows a policy again', () => {
  const policy = { mode: 'file', junk: 5, quarantine: 10, refuse: 15 } as const;
  expect([same(policy, { ...policy }), same(policy, { ...policy, junk: 6 }), same(policy, { ...policy, mode: 'tag' })]).toEqual([true, false, false]);
});

describe('what would have happened', () => {
  const answer = (more: Partial<WhatIf>): WhatIf => ({ messages: 40, since: '2026-11-01T00:00:00Z', complete: true, changes: [], ...more });
  it('nothing is known', () => expect(whatIfSentence(answer({ messages: 0 }))).toContain('No mail'));
  it('nothing changes', () => expect(whatIfSentence(answer({}))).toContain('none would have gone elsewhere'));
  it('changes are summed', () =>
    expect(whatIfSentence(answer({ changes: [{ from: 'inbox', to: 'junk', count: 3, examples: [] }, { from: 'junk', to: 'inbox', count: 2, examples: [] }] }))).toMatch(/^Of 40 deliveries since .*2026, 5 would have gone elsewhere:$/));
});
