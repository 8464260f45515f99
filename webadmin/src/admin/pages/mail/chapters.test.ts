import { describe, expect, it } from 'vitest';
import type { StoryEvent } from '$api/types';
import { chapters, toneOf } from './chapters';

const event = (more: Partial<StoryEvent>): StoryEvent => ({ time: '2026-11-24T12:00:00Z', kind: 'dialogue', text: '', severity: 'info', ...more });

describe('chapters', () => {
  it('joins the lines of a conversation', () => {
    const parts = chapters([event({ kind: 'connect' }), event({ side: 'server', text: '220' }), event({ side: 'client', text: 'EHLO' }), event({ kind: 'check' }), event({ side: 'client', text: 'QUIT' })]);
    expect(parts.map((p) => p.lines?.length ?? 0)).toEqual([0, 2, 0, 1]);
  });
  it('shows the worst of a conversation, and nothing when all is well', () => {
    const [part] = chapters([event({ side: 'server', severity: 'ok' }), event({ side: 'server', severity: 'warn' }), event({ side: 'server', severity: 'fail' })]);
    expect(toneOf(part!)).toBe('fail');
    expect(toneOf(chapters([event({ side: 'server', severity: 'ok' })])[0]!)).toBeUndefined();
  });
  it('shows the state of an event', () => expect(toneOf({ event: event({ severity: 'ok' }) })).toBe('ok'));
  it('shows no state of what is only told', () => expect(toneOf({ event: event({ severity: 'info' }) })).toBeUndefined());
});
