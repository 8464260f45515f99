import { describe, expect, it } from 'vitest';
import { partsOf, standingOf, type DNSRecord } from './dns';

const record = (id: string, group: string, more: Partial<DNSRecord> = {}): DNSRecord => ({ id, group, name: id, host: id, type: 'TXT', want: 'x', why: '', have: [], ...more });

describe('records of the first run', () => {
  it('are told apart by how much they are needed', () => {
    const groups = [
      { name: 'receive', of: 0, right: 0, records: [record('mx', 'receive', { state: 'ok' })] },
      { name: 'send', of: 0, right: 0, records: [record('spf', 'send', { state: 'wrong' }), record('spf-host', 'send', { optional: true, state: 'ok' })] },
      { name: 'clients', of: 0, right: 0, records: [record('srv', 'clients', { optional: true })] },
    ];
    expect(partsOf({ groups }).map((p) => [p.id, p.right, p.records.map((r) => r.id)])).toEqual([
      ['receive', 1, ['mx']],
      ['send', 0, ['spf']],
      ['nice', 1, ['spf-host', 'srv']],
    ]);
  });
  it('leave out what has nothing in it', () => expect(partsOf({ groups: [] })).toEqual([]));
  it('are to do before anybody has looked', () => expect([undefined, 'missing', 'ok', 'wrong', 'unknown'].map((state) => standingOf({ state }))).toEqual(['todo', 'todo', 'right', 'wrong', 'unknown']));
});
