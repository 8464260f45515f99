import { describe, expect, it } from 'vitest';
import { differences, verb, type Entry } from './audit';

const entry = (over: Partial<Entry>): Entry => ({ id: '1', time: '2026-11-28T12:00:00Z', actor: 'ana@x', action: 'account.set', object: 'bo@x', ...over });

describe('verb', () => {
  it('has words for the known, and shows the unknown as it is', () => {
    expect(verb(entry({}))).toBe('changed the person');
    expect(verb(entry({ action: 'comet.launch' }))).toBe('comet.launch');
  });
});

describe('differences', () => {
  it('leaves out what is the same and what is only bookkeeping', () => {
    const before = { id: 2, address: 'bo@x', name: 'Bo', created: '2026-01-01T00:00:00Z' };
    expect(differences(entry({ before, after: { ...before, name: 'Bob', created: 'later' } }))).toEqual([{ name: 'Name', before: 'Bo', after: 'Bob' }]);
  });
  it('says what is new, without repeating the object', () => {
    expect(differences(entry({ after: { id: 2, address: 'bo@x', role: 'admin', quota_bytes: 10e9, suspended: true } }))).toEqual([
      { name: 'Role', before: '', after: 'Admin' },
      { name: 'Quota', before: '', after: '10 GB' },
      { name: 'Suspended', before: '', after: 'yes' },
    ]);
  });
  it('shows bare values, lists and keys', () => {
    expect(differences(entry({ object: 'queue.expire', before: '5d', after: '6d' }))).toEqual([{ name: 'Value', before: '5d', after: '6d' }]);
    expect(differences(entry({ before: { targets: ['a@x', 'b@x'] }, after: { targets: ['a@x'] } }))).toEqual([{ name: 'Leads to', before: 'a@x and b@x', after: 'a@x' }]);
    expect(differences(entry({ after: { keys: [{ selector: 'r1' }, { selector: 'e1' }] } }))[0]!.after).toBe('r1 and e1');
    expect(differences(entry({}))).toEqual([]);
  });
  it('survives anything', () => {
    expect(differences(entry({ before: null, after: { odd: { deep: [1, null, { x: false }] } } }))).toEqual([{ name: 'odd', before: '', after: 'deep: 1, , and x: no' }]);
  });
});
