import { describe, expect, it } from 'vitest';
import { decidedBy, heaviest, points, signed, unsaid, verdictOf } from './verdict';

const reason = (score: number, name = 'words') => ({ name, score, text: 'Why.' });

describe('verdictOf', () => {
  it('reads the fields of an event', () => {
    const fields = { place: 'junk', by: 'score', score: '6.30', reasons: JSON.stringify([reason(6.3)]), rcpt_to: 'bo@example.org', author: 'eve@evil.test', proven: 'author path', known: 'yes' };
    expect(verdictOf(fields)).toEqual({ place: 'junk', by: 'score', reason: '', score: 6.3, reasons: [reason(6.3)], to: 'bo@example.org', author: 'eve@evil.test', proven: true, known: true });
  });
  it('knows no score where nobody asked for one', () => expect(verdictOf({ result: 'refuse', by: 'check', reason: 'spf: no' })).toMatchObject({ place: 'refuse', score: undefined, reasons: [], proven: false }));
  for (const reasons of ['', '{', '{"name":"x"}', 'null', '[null,1,"x",{"name":1},{"name":"a","score":"3","text":""}]']) {
    it(`takes ${reasons || 'nothing'} for no reasons`, () => expect(verdictOf({ reasons }).reasons).toEqual([]));
  }
  it('says who decided', () => expect(['score', 'list', 'check', ''].map((by) => decidedBy(verdictOf({ by })))).toEqual(['Decided by the score.', 'Decided by a list, whatever the score.', 'Decided by a check alone, whatever the score.', 'Nothing speaks against it.']));
});

describe('scores', () => {
  it('are written with a sign', () => expect([3.14, -0.96, 0, 0.04].map(signed)).toEqual(['+3.1', '\u22121.0', '0.0', '0.0']));
  it('are written with one decimal', () => expect([5, -4.26].map(points)).toEqual(['5.0', '\u22124.3']));
  it('come heaviest first', () => expect(heaviest([reason(0), reason(1), reason(-4)]).map((r) => r.score)).toEqual([-4, 1, 0]));
  it('have a rest where reasons were left out', () => expect([unsaid(6, [reason(4), reason(2)]), unsaid(6.5, [reason(4), reason(2)])]).toEqual([0, 0.5]));
});
