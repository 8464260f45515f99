import { describe, expect, test } from 'vitest';
import { emptyPlace, failedFirst, grouped, ordered, pace, part, sourceOf, standing, togetherLeft, togetherPace, togetherPart, type Import } from './imports';

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

describe('many imports', () => {
  const of = (id: string, change: Partial<Import>): Import => ({ ...running, id, server: 'imap.far.example:993', ...change });
  const done = (id: string, seconds: number) => of(id, { state: 'done', ended: new Date(Date.parse(progress.started) + seconds * 1000).toISOString() });
  const half = { ...progress, allMessages: 100, secondsLeft: 30 };
  const list = [done('a', 10), of('b', { progress: half }), of('c', { state: 'waiting' }), of('d', { state: 'failed' }), of('e', { state: 'waiting' })];

  test('of one source are a group, and one alone is none', () => {
    const groups = grouped([...list, of('f', { server: undefined, kind: 'mbox' })]);
    expect(groups.map((g) => [g.key, g.items.length, g.choice])).toEqual([['imap.far.example:993', 5, { kind: 'imap', server: 'imap.far.example:993' }]]);
  });
  test('how far they are together', () => {
    expect(togetherPart(list)).toBeCloseTo((1 + 0.5 + 0 + 1 + 0) / 5);
    expect(togetherLeft(list)).toBe(30 + 2 * 10);
    expect(togetherPace(list)).toBe('1 of 5 done · 1 runs · 2 wait · 1 failed · 12 messages a second · about 50 s left');
  });
  test('nothing tells how long it takes before the first has ended', () => {
    expect(togetherLeft(list.slice(1))).toBeUndefined();
    expect(togetherPace(list.slice(1))).not.toContain('left');
  });
  test('what runs and what failed comes first', () => {
    expect(ordered(list).map((m) => m.id)).toEqual(['b', 'd', 'c', 'e', 'a']);
    expect(failedFirst([{ line: 1, account: 'a' }, { line: 2, account: 'b', error: 'x' }]).map((row) => row.line)).toEqual([2, 1]);
  });
  test('only what opens the other server is sent', () => {
    const place = { ...emptyPlace('lines'), host: ' h ', secret: 's', master: 'm' };
    expect(sourceOf(place)).toEqual({ host: 'h', port: 0, tls: 'tls', fingerprint: '' });
    expect(sourceOf({ ...place, way: 'token' })).toMatchObject({ token: 's' });
    expect(sourceOf({ ...place, way: 'master' })).toMatchObject({ password: 's', master: 'm' });
    expect(sourceOf({ ...place, way: 'password' })).not.toHaveProperty('master');
  });
});
