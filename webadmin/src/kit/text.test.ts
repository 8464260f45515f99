import { describe, expect, it } from 'vitest';
import { clean } from './foreign';
import { t, tn } from './i18n';
import { bounds } from './range';

describe('clean', () => {
  it('leaves names alone', () => expect(clean('Ünsal 日本 👩‍🚀'.replace('\u200d', ''), 50)).toBe('Ünsal 日本 👩🚀'));
  it('shows what reorders text', () => expect(clean('a\u202egnp.exe', 50)).toBe('a□gnp.exe'));
  it('shows controls, and folds lines', () => expect(clean('a\u0007b\r\n c', 50)).toBe('a□b c'));
  it('cuts by characters, not in the middle of one', () => expect(clean('😀'.repeat(20), 5)).toBe('😀😀😀😀…'));
  it('is quick with much', () => expect(clean('x'.repeat(5_000_000), 100)).toHaveLength(100));
  it('leaves markup as text', () => expect(clean('<b>', 50)).toBe('<b>'));
});

describe('texts', () => {
  it('fills names in', () => expect(t('{n} of {total} shown', { n: 2, total: 5 })).toBe('2 of 5 shown'));
  it('does not fill what came in', () => expect(t('Find {text}', { text: '{text}' })).toBe('Find {text}'));
  it('counts one', () => expect(tn(1, '{n} day', '{n} days')).toBe('1 day'));
  it('counts many', () => expect(tn(1200, '{n} day', '{n} days')).toBe('1,200 days'));
});

describe('bounds', () => {
  const now = Date.parse('2026-11-24T12:00:00Z');
  it('a span', () => expect(bounds('24h', now)).toEqual({ from: '2026-11-23T12:00:00.000Z' }));
  it('days are whole', () => {
    const { from, to } = bounds('2026-11-01..2026-11-02', now);
    expect(Date.parse(to!) - Date.parse(from!)).toBe(2 * 86_400_000);
  });
  it('nonsense is no bound', () => expect(bounds('x', now)).toEqual({}));
});
