import { describe, expect, it, test } from 'vitest';
import { groupChecks, worst } from './checks';
import { findSettings, groupSettings, valueText, type Setting } from './settings';
import type { Check, State } from '$api/types';

const setting = (name: string, over: Partial<Setting> = {}): Setting => ({ name, kind: 'text', value: '', default: '', changed: false, doc: '', ...over });

describe('settings', () => {
  it('are grouped by task, and none is lost', () => {
    const all = ['queue.expire', 'postmaster', 'comet.speed', 'relay.host'].map((name) => setting(name));
    expect(groupSettings(all).map((group) => [group.title, group.settings.map((s) => s.name)])).toEqual([
      ['This server', ['postmaster']],
      ['Mail that goes out', ['queue.expire', 'relay.host']],
      ['Other', ['comet.speed']],
    ]);
  });
  it('are found by all words, in any case', () => {
    const all = [setting('queue.expire', { doc: 'After this time mail goes back.' }), setting('queue.retry', { value: '5m' })];
    expect(findSettings(all, 'QUEUE back').map((s) => s.name)).toEqual(['queue.expire']);
    expect(findSettings(all, '5m')).toHaveLength(1);
    expect(findSettings(all, ' ')).toHaveLength(2);
  });
  it('show values in words', () => {
    expect(valueText(setting('a', { kind: 'true or false', value: 'true' }))).toBe('on');
    expect(valueText(setting('relay.password', { value: '[set]' }))).toBe('set, not shown');
    expect(valueText(setting('a'))).toBe('empty');
  });
});

describe('checks', () => {
  const check = (id: string, group: string, state: State, mutedUntil?: string) => ({ id, group, state, mutedUntil }) as Check;
  test('the worst comes first', () => {
    const groups = groupChecks([check('a', 'host', 'ok'), check('b', 'mail', 'warn'), check('c', 'host', 'fail'), check('d', 'names', 'ok'), check('e', 'mail', 'fail', '2027-01-01T00:00:00Z')]);
    expect(groups.map((g) => g.checks.map((c) => c.id))).toEqual([['c', 'a'], ['e', 'b'], ['d']]);
  });
  test('what is muted does not count', () => {
    expect(worst([check('a', 'host', 'fail', '2027-01-01T00:00:00Z'), check('b', 'host', 'unknown')])).toBe('unknown');
    expect(worst([])).toBe('ok');
  });
});
