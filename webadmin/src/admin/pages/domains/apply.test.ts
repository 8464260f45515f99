import { describe, expect, it } from 'vitest';
import { lines, outcome, requestFor, type ZoneChange } from './apply';

const change = (more: Partial<ZoneChange>): ZoneChange => ({ action: 'add', name: 'example.org', type: 'MX', records: ['mx'], have: [], want: [], remove: [], text: '', digest: '0', ...more });

it('others lose only what was ticked', () => {
  expect(requestFor([change({}), change({ action: 'foreign', records: ['autoconfig'], digest: '1' }), change({ action: 'replace', records: ['spf', 'spf-host'], digest: '2' })])).toEqual({
    records: ['mx', 'autoconfig', 'spf', 'spf-host'],
    replace: ['autoconfig'],
    seen: ['0', '1', '2'],
  });
});

describe('lines', () => {
  it('a merge keeps what is beside it', () => {
    const have = ['v=spf1 include:news.example -all', 'other=1'];
    expect(lines({ have, want: ['other=1', 'v=spf1 mx include:news.example -all'], remove: [have[0]!] }).map((l) => [l.kind, l.value])).toEqual([
      ['gone', have[0]], ['stays', 'other=1'], ['new', 'v=spf1 mx include:news.example -all'],
    ]);
  });
  it('an alias that goes is not one of its own type', () => {
    expect(lines({ have: [], want: ['192.0.2.1'], remove: ['CNAME elsewhere.example'] }).map((l) => l.kind)).toEqual(['gone', 'new']);
  });
});

it('what was not done is told', () => {
  expect(outcome(change({ done: true })).label).toBe('published');
  expect(outcome(change({ action: 'foreign' })).label).toBe('left alone');
  expect(outcome(change({ action: 'manual' })).label).toBe('by hand');
});
