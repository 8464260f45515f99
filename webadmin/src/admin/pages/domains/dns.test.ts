import { describe, expect, it } from 'vitest';
import { panelFields, recordState, sentence, standing, zoneText, type DNSRecord, type DNSReport } from './dns';

const record = (over: Partial<DNSRecord>): DNSRecord => ({
  id: 'mx', group: 'receive', name: 'example.org', host: '@', type: 'MX', want: '10 mail.example.org', why: 'Says where mail goes.', have: [], ...over,
});
const provider = (apex: string) => ({ name: 'Panel', fields: { host: 'Sub-domain', value: 'Target', apex } });

describe('standing', () => {
  it.each([
    [undefined, 'unknown', 'Not checked yet'],
    [{ right: 3, of: 5, unknown: 0, failing: 2 }, 'fail', '2 records to fix'],
    [{ right: 3, of: 5, unknown: 0, failing: 0 }, 'ok', '3 of 5 right'],
    [{ right: 0, of: 0, unknown: 9, failing: 0 }, 'unknown', 'No answer'],
    [{ right: 4, of: 4, unknown: 1, failing: 0 }, 'unknown', '4 of 4 right'],
  ])('of %o', (dns, state, word) => expect(standing(dns)).toEqual({ state, word }));
});

describe('recordState', () => {
  it('forgives what is only nice to have, unless it is wrong', () => {
    expect(recordState({ state: 'missing', optional: true }).state).toBe('info');
    expect(recordState({ state: 'wrong', optional: true }).state).toBe('fail');
    expect(recordState({ state: 'missing' }).state).toBe('fail');
    expect(recordState({}).word).toBe('Not checked yet');
  });
  it('says of a record that is right that something beside it may go', () => {
    expect(recordState({ state: 'ok' })).toEqual({ state: 'ok', word: 'Right' });
    expect(recordState({ state: 'ok', code: 'dns.tlsa_old' })).toEqual({ state: 'info', word: 'Right, with a leftover' });
  });
});

describe('panelFields', () => {
  it('splits MX and SRV as panels do', () => {
    expect(panelFields(record({})).map((f) => [f.label, f.value])).toEqual([['Type', 'MX'], ['Name', '@'], ['Priority', '10'], ['Value', 'mail.example.org']]);
    const srv = record({ type: 'SRV', host: '_imaps._tcp', want: '0 1 993 mail.example.org' });
    expect(panelFields(srv).map((f) => f.value)).toEqual(['SRV', '_imaps._tcp', '0', '1', '993', 'mail.example.org']);
  });
  it('uses the words of the provider', () => {
    expect(panelFields(record({}), provider('')).slice(1)).toEqual([
      { label: 'Sub-domain', value: '', hint: 'leave it empty' },
      { label: 'Priority', value: '10' },
      { label: 'Target', value: 'mail.example.org' },
    ]);
    expect(panelFields(record({ host: 'mail' }), provider(''))[1]).toEqual({ label: 'Sub-domain', value: 'mail' });
  });
  it('has no value where only the operator knows it', () => {
    expect(panelFields(record({ want: '' })).map((f) => f.label)).toEqual(['Type', 'Name']);
  });
});

describe('sentence', () => {
  it.each([['all 3 records are right', 'All 3 records are right.'], ['Is it?', 'Is it?'], ['', '']])('of %o', (text, whole) => expect(sentence(text)).toBe(whole));
});

describe('zoneText', () => {
  it('leaves out reverse names and what has no line', () => {
    const report = { groups: [{ name: 'send', of: 0, right: 0, records: [
      record({ zoneFile: 'example.org. 3600 IN MX 10 mail.example.org.' }), record({ type: 'PTR', zoneFile: 'x' }), record({ zoneFile: undefined }),
    ] }] } as unknown as DNSReport;
    expect(zoneText(report)).toBe('; Says where mail goes.\nexample.org. 3600 IN MX 10 mail.example.org.\n');
  });
});
