import type { StoryEvent } from '$api/types';
import type { StateName } from '$kit/states';

// A chapter of a story: one event, or the lines of an SMTP conversation that follow each other.
export interface Chapter {
  event?: StoryEvent;
  lines?: StoryEvent[];
}

export const isLine = (event: StoryEvent): boolean => Boolean(event.side);

export function chapters(story: StoryEvent[]): Chapter[] {
  const parts: Chapter[] = [];
  for (const event of story) {
    const last = parts.at(-1);
    if (!isLine(event)) parts.push({ event });
    else if (last?.lines) last.lines.push(event);
    else parts.push({ lines: [event] });
  }
  return parts;
}

// toneOf is the state shown at the line of time: that of the event, or the worst of a conversation.
export function toneOf(part: Chapter): StateName | undefined {
  const severities = new Set((part.lines ?? [part.event!]).map((event) => event.severity));
  if (severities.has('fail')) return 'fail';
  if (severities.has('warn')) return 'warn';
  return part.event && severities.has('ok') ? 'ok' : undefined;
}
