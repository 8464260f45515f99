// Made-up answers about quarantine, lists and reports.
const at = (seconds) => new Date(Date.now() - seconds * 1000).toISOString();
const dayOf = (days) => at(days * 86400).slice(0, 10);

const reasons = [
  { name: 'dmarc.fail', score: 4.2, text: 'The message does not come from the domain in From: neither SPF nor DKIM stand for it.' },
  { name: 'words', score: 3.4, text: 'Its words are like those of mail that people here called junk.' },
  { name: 'link.lookalike', score: 2.6, text: 'A link leads to a name that looks like another.' },
  { name: 'sender.new', score: 0.8, text: 'Nobody here has heard of this author before.' },
  { name: 'list.unsubscribe', score: -0.6, text: 'One can unsubscribe with one click.' },
];
const from = ['payments@paypa1.example', 'ceo@example.org', 'win@prizes.example', '"<b>x</b>"@elsewhere.example', 'newsletter@gazette.example'];
const subjects = ['Your account is limited', 'Are you at your desk?', 'YOU WON', '<script>alert(1)</script>', 'Weekly news'];
export const quarantine = Array.from({ length: 12 }, (_, i) => ({
  id: `7-${i + 1}`, account: ['anna@example.org', 'bo@example.org'][i % 2], received: at(i * 5400 + 300), from: from[i % 5], subject: subjects[i % 5], size: 4200 + i * 911,
  score: 10.4 - (i % 4) * 0.1, reasons, trace: `t${i}`,
}));
export const lists = [
  { kind: 'allow', entry: '@gazette.example', note: 'the weekly paper', created: at(20 * 86400) },
  { kind: 'block', entry: '192.0.2.0/24', created: at(3 * 86400) },
  { kind: 'block', entry: 'win@prizes.example', note: '', created: at(86400) },
];

const numbers = (messages, aligned, none = 0, quarantined = 0) => ({ messages, aligned, dkim: aligned, spf: aligned, none, quarantine: quarantined, reject: messages - aligned - none - quarantined });
const days = Array.from({ length: 28 }, (_, i) => ({ day: dayOf(29 - i), ...numbers(30 + ((i * 7) % 23), 26 + ((i * 7) % 19), (i * 3) % 3, i % 2) })).filter((_, i) => i !== 9);
const report = (id) => ({
  id, domain: 'example.org', org: 'google.com', sender: 'google.com', email: 'noreply-dmarc-support@google.com', reportId: '1234567890', begin: at(2 * 86400), end: at(86400), received: at(40000),
  trace: 't1', errors: [], notes: ['The times of the report lie in the future.'], policyDomain: 'example.org', policy: { p: 'quarantine', sp: 'reject' }, messages: 31,
  rows: [
    { source: '203.0.113.5', messages: 30, disposition: 'pass', dkim: true, spf: true, headerFrom: 'example.org', reasons: [], results: [{ method: 'dkim', result: 'pass', domain: 'example.org', selector: 's1' }, { method: 'spf', result: 'pass', domain: 'example.org' }] },
    { source: '2001:db8::77', messages: 1, disposition: 'quarantine', dkim: false, spf: false, headerFrom: 'example.org', reasons: [{ type: 'local_policy', comment: '<b>looked odd</b>' }], results: [{ method: 'spf', result: 'fail', domain: 'elsewhere.example' }] },
  ],
});
const sent = [
  { id: 's1', time: at(30000), domain: 'gazette.example', to: 'mailto:dmarc@gazette.example', begin: at(2 * 86400), end: at(86400), messages: 12, rows: 2, trace: 't2' },
  { id: 's2', time: at(30000), domain: 'prizes.example', to: 'mailto:a@elsewhere.example', begin: at(2 * 86400), end: at(86400), messages: 3, rows: 1, reason: 'elsewhere.example does not want reports about prizes.example' },
];
export const dmarc = (domain) => ({
  domain, from: at(30 * 86400), to: at(0), policy: { p: 'quarantine' },
  total: numbers(1043, 961, 40, 20), verdict: { state: 'safe', text: 'Safe to go to p=reject: 961 of 1,043 messages passed on 27 days; 42 messages look forged.', next: 'reject' },
  days, unverified: 1,
  sources: [
    { name: 'This server', kind: 'this-server', addresses: [{ ip: '203.0.113.5', name: 'mail.example.org' }], addressCount: 1, ...numbers(900, 900), state: 'aligned', text: 'Its mail passes.', days: [] },
    { name: 'Mailchimp', kind: 'service', addresses: [{ ip: '198.2.128.7', name: 'mail7.atl.mcsv.example' }], addressCount: 4, ...numbers(60, 41, 10, 9), state: 'partly', text: 'Some of its mail passes, 19 messages did not. A service of yours should sign all of its mail with DKIM as example.org.', days: [] },
    { name: 'lists.example.net', kind: 'host', addresses: [{ ip: '192.0.2.9', name: 'lists.example.net' }], addressCount: 1, ...numbers(41, 20, 21), state: 'forwarded', text: 'A mailing list or forwarder, as the receivers say, which breaks SPF and DKIM on the way. Nothing to do.', days: [] },
    { name: '198.51.100.77', kind: 'address', addresses: [{ ip: '198.51.100.77' }], addressCount: 1, ...numbers(42, 0, 9, 11), state: 'forged', text: 'Neither SPF nor DKIM stands for it: most likely forged. Nothing to do; a strict policy has such mail refused.', days: [] },
  ],
  reporters: [{ org: 'google.com', sender: 'google.com', reports: 27, messages: 700 }, { org: 'Outlook.com', sender: 'microsoft.com', reports: 22, messages: 343 }],
  reports: [
    { id: 'r1', org: 'google.com', sender: 'google.com', begin: at(2 * 86400), end: at(86400), received: at(40000), messages: 31, aligned: 30, verified: true },
    { id: 'r2', org: 'stranger', begin: at(2 * 86400), end: at(86400), received: at(50000), messages: 9000, aligned: 0, verified: false },
  ],
});
export const tls = (domain) => ({
  domain, from: at(30 * 86400), to: at(0), successful: 812, failed: 5, text: '812 of 817 connections to this server were encrypted as they should be; 5 failed.', unverified: 0,
  policies: [{ type: 'sts', mode: 'enforce', successful: 812, failed: 5 }],
  failures: [{ type: 'certificate-expired', text: 'The certificate had expired. `mailstead cert list` shows why it was not renewed.', mx: 'mail.example.org', sessions: 5, orgs: ['google.com'] }],
  days: days.map((day, i) => ({ day: day.day, successful: 20 + ((i * 5) % 17), failed: i === 12 ? 5 : 0 })),
  reports: [{ id: 't1', org: 'google.com', sender: 'google.com', begin: at(2 * 86400), end: at(86400), received: at(40000), successful: 31, failed: 0, verified: true }],
});

const paged = (items) => [200, { items, total: items.length }];
export const trustRoutes = ['', '/me'].flatMap((who) => [
  ['GET', `${who}/quarantine`, () => paged(quarantine)],
  ['GET', `${who}/quarantine/{id}`, ({ params }) => [200, quarantine.find((m) => m.id === params[0])]],
  ['POST', `${who}/quarantine:release`, ({ body }) => [200, { changed: body.ids.length }]],
  ['POST', `${who}/quarantine:delete`, ({ body }) => [200, { changed: body.ids.length }]],
  ['GET', `${who}/lists`, () => paged(lists)],
  ['PUT', `${who}/lists`, ({ body }) => [200, { ...body, created: at(0) }]],
  ['DELETE', `${who}/lists`, () => [204]],
]).concat([
  ['GET', '/reports/dmarc/{id}', ({ params }) => [200, report(params[0])]],
  ['GET', '/reports/sent', () => [200, { items: sent }]],
  ['GET', '/reports/dmarc', ({ query }) => [200, dmarc(query.get('domain'))]],
  ['GET', '/reports/tls', ({ query }) => [200, tls(query.get('domain'))]],
  ['GET', '/domains', () => paged([{ name: 'example.org' }, { name: 'garden.example' }])],
]);
