import { describe, expect, it } from 'vitest';
import type { StoryEvent } from '$api/types';
import { chapters, toneOf } from './chapters';

const event = (more: Partial<StoryEvent>): StoryEvent => ({ time: '2026-11-24T12:00:00Z', kind: 'dialogue', text: '', ...more });

describe('chapters', () => {
  it('joins the lines of a conversation', () => {
    const parts = chapters([event({ kind: 'connect' }), event({ side: 'server', reply: '220' }), event({ side: 'client', command: 'EHLO' }), event({ kind: 'check' }), event({ command: 'QUIT' })]);
    expect(parts.map((p) => p.lines?.length ?? 0)).toEqual([0, 2, 0, 1]);
  });
  it('shows the worst of a conversation, and nothing when all is well', () => {
    const [part] = chapters([event({ reply: '250', severity: 'ok' }), event({ reply: '451', severity: 'warn' }), event({ reply: '550', severity: 'fail' })]);
    expect(toneOf(part!)).toBe('fail');
    expect(toneOf(chapters([event({ reply: '250', severity: 'ok' })])[0]!)).toBeUndefined();
  });
  it('shows the state of an event', () => expect(toneOf({ event: event({ severity: 'ok' }) })).toBe('ok'));
});
