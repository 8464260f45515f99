import { describe, expect, it } from 'vitest';
import { parseQuota, quotaText } from './quota';

describe('parseQuota', () => {
  it.each([
    ['', 0], ['  ', 0], ['0', 0], ['10', 10e9], ['10 GB', 10e9], ['500mb', 5e8], ['1,5 GB', 1.5e9], ['1.5', 1.5e9], ['12 B', 12], ['2TB', 2e12],
    ['ten', undefined], ['-1', undefined], ['1 GB please', undefined], ['1e9', undefined], ['99999999999 TB', undefined],
  ])('reads %o', (text, bytes) => expect(parseQuota(text)).toBe(bytes));
});

describe('quotaText', () => {
  it.each([[0, ''], [10e9, '10 GB'], [1.5e9, '1.5 GB'], [5e8, '500 MB'], [52428800, '52428.8 KB'], [1234, '1.234 KB'], [7, '7 B'], [2e12, '2 TB']])('writes %o', (bytes, text) => {
    expect(quotaText(bytes)).toBe(text);
    expect(parseQuota(text)).toBe(bytes);
  });
});
