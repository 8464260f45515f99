import { describe, expect, test } from 'vitest';
import { pace, part, standing, type Import } from './imports';

const progress = { folders: 0, allFolders: 2, messages: 50, octets: 10, added: 40, addedOctets: 400, known: 10, leftOut: 0, verified: 0, rate: 12.4, started: '2026-11-28T10:00:00Z' };
const running = { id: 'x', kind: 'imap', account: 'a@b.test', from: 'a at b', state: 'running', runs: 1, created: '2026-11-28T10:00:00Z', progress } as Import;

describe('imports', () => {
  test('how much is done', () => {
    expect(part({ ...running, progress: { ...progress, allMessages: 200 } })).toBe(0.25);
    expect(part({ ...running, progress: { ...progress, allOctets: 20 } })).toBe(0.5);
    expect(part(running)).toBe(-1);
  });
  test('how fast it goes', () => {
    expect(pace({ ...running, progress: { ...progress, allMessages: 200, secondsLeft: 90 } })).toMatch(/^50 of 200 messages · 12 a second · .+ left$/);
    expect(pace({ ...running, state: 'done' })).toBe('50 messages');
  });
  test('what is left out is a warning', () => {
    expect(standing({ ...running, state: 'done' }).state).toBe('ok');
    expect(standing({ ...running, state: 'done', progress: { ...progress, leftOut: 2 } }).state).toBe('warn');
    expect(standing({ ...running, state: 'failed' }).state).toBe('fail');
  });
});
