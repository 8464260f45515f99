// Made-up answers of the API, in the shapes of src/api/types.ts.
import { trustRoutes } from './trust.mjs';

export const state = { role: 'owner', signedIn: true, version: '0.4.0', listeners: new Set(), muted: new Map() };

const now = Date.now();
const at = (secondsAgo) => new Date(now - secondsAgo * 1000).toISOString();
const problem = (status, code, title, detail, errors) => [status, { type: `/problems/${code}`, status, code, title, detail, errors }];

// A small repeatable generator, so that two runs show the same pages.
let seed = 7;
const random = () => ((seed = (seed * 16807) % 2147483647) / 2147483647);

const wave = (t, size) => Math.max(0, Math.round(size * (0.55 + 0.45 * Math.sin(((t / 3600) % 24) / 24 * Math.PI * 2 - 2)) * (0.6 + random() * 0.8)));
function series(names, from, to, step) {
  const sizes = { 'mail.in': 18, 'mail.out': 5, 'mail.refused': 60 };
  const points = [];
  for (let t = Math.floor(from / step) * step; t <= to; t += step) points.push([t, ...names.map((n) => wave(t, (sizes[n] ?? 10) * step / 3600))]);
  return { names, step, points };
}

const beats = (bad) => [[29, 'ok'], [25.5, 'fail'], [25, 'ok'], [19, 'unknown'], [17.5, 'ok'], [bad, 'warn']].map(([days, s]) => ({ at: at(days * 86400), state: s }));

export const checks = [
  { id: 'ptr6', group: 'network', title: 'The IPv6 address has no reverse name', state: 'warn', saw: '2001:db8::5 has no PTR record', want: '2001:db8::5 → mail.example.org', why: 'Gmail and others refuse mail from addresses without a reverse name. Mail goes out over IPv4 meanwhile.', fix: 'Set the reverse name of 2001:db8::5 to mail.example.org where you rent the server: its network settings, often called “Reverse DNS”.', since: at(2 * 86400), checkedAt: at(180), history: beats(2) },
  { id: 'tlsrpt', group: 'dns', title: 'No TLS reports are asked for', state: 'warn', saw: '_smtp._tls.example.org TXT: nothing', want: 'v=TLSRPTv1; rua=mailto:tls-reports@example.org', why: 'With it other servers tell you when they could not reach yours over TLS.', fix: 'Add the record shown on the DNS page of example.org.', fixLink: '/admin/domains/example.org/dns', since: at(9 * 86400), checkedAt: at(180), history: beats(9) },
];

const hostile = '<img src=x onerror=alert(1)>"\u202egnp.exe ' + 'A'.repeat(10_000);

export const traces = Array.from({ length: 140 }, (_, i) => {
  const kinds = [
    { direction: 'in', outcome: 'delivered', from: 'kim@bigmail.test', to: ['anna@example.org'], remoteIp: '192.0.2.40', remoteName: 'mx1.bigmail.test' },
    { direction: 'out', outcome: 'delivered', from: 'anna@example.org', to: ['kim@bigmail.test'], login: 'anna@example.org', remoteIp: '192.0.2.40', remoteName: 'mx1.bigmail.test' },
    { direction: 'in', outcome: 'refused', from: 'win@lottery.test', to: ['bo@example.org'], remoteIp: '203.0.113.99', remoteName: 'unknown', status: '5.7.1', reason: 'The address is on the blocklist zen.example and the sender fails SPF.' },
    { direction: 'out', outcome: 'deferred', from: 'anna@example.org', to: ['lee@slow.test', 'max@slow.test'], login: 'anna@example.org', remoteIp: '192.0.2.77', remoteName: 'mx.slow.test', status: '4.7.1', reason: 'Greylisted: the other server asks to come back later.' },
    { direction: 'in', outcome: 'accepted', junk: true, from: 'news@shop.test', to: ['sales@example.org'], remoteIp: '198.51.100.8', remoteName: 'out.shop.test', reason: 'Junk score 7.2' },
    { direction: 'out', outcome: 'bounced', from: 'bo@example.org', to: ['gone@strict.test'], login: 'bo@example.org', remoteIp: '192.0.2.60', remoteName: 'mx.strict.test', status: '5.1.1', reason: 'The address does not exist.' },
    { direction: 'in', outcome: 'refused', from: 'first@contact.test', to: ['anna@example.org'], remoteIp: '198.51.100.44', remoteName: 'mail.contact.test', status: '4.7.1', reason: 'First contact: asked to come back in 5 minutes.' },
  ];
  const kind = kinds[Math.floor(random() * kinds.length)];
  const start = at(i * 437 + 30);
  return { id: `tr_${(1e6 + i * 7919).toString(36)}`, ...kind, from: i === 9 ? `${hostile}@evil.test` : kind.from, messageId: `${(i * 99991).toString(36)}@${kind.from.split('@')[1]}`, size: 2000 + ((i * 7331) % 90_000), start, last: start };
});

const groups = [
  { cause: 'remote.blocked.ip', title: 'Outlook slows us down', explain: 'Microsoft does not trust the address of this server yet. It is not about your content; it gets better with time and steady mail.', state: 'retry', reply: '451 4.7.650 The mail server [203.0.113.5] has been temporarily rate limited due to IP reputation. (S775)', messages: 12, senders: 5, oldest: at(3 * 3600), nextTry: at(-1200), expires: at(-4 * 86400), domains: ['outlook.test', 'hotmail.test'] },
  { cause: 'remote.unreachable', title: 'smtp.oldcorp.test does not answer', explain: 'No connection could be made on port 25. The server may be down; ours tries again.', state: 'retry', reply: 'dial tcp 192.0.2.90:25: i/o timeout', messages: 6, senders: 2, oldest: at(5 * 3600), nextTry: at(-2400), expires: at(-4 * 86400), domains: ['oldcorp.test'] },
  { cause: 'held', title: 'Held by an administrator', explain: 'These wait until someone releases them.', state: 'held', messages: 2, senders: 1, oldest: at(26 * 3600), expires: at(-3 * 86400), domains: ['bigmail.test'] },
];
const queue = groups.flatMap((group, g) =>
  Array.from({ length: group.messages }, (_, i) => ({
    id: i < 4 ? traces.filter((t) => t.outcome === 'deferred')[g * 4 + i].id : `q${g}${i.toString().padStart(14, '0')}`,
    from: ['anna', 'bo', 'sales'][i % 3] + '@example.org', created: at(3600 + i * 700), expires: group.expires, size: 4000 + i * 977,
    recipients: [
      { address: ['kim', 'lee', 'max'][i % 3] + '@' + group.domains[i % group.domains.length], state: group.state, cause: group.cause, attempts: 1 + (i % 5), reply: group.reply, mx: 'mx.' + group.domains[0], last: at(1200 + i * 60), next: group.nextTry && at(-600 - i * 60) },
    ],
  })),
);

const story = (trace) => [
  { time: at(90), kind: 'connect', text: `${trace.remoteName ?? 'A client'} connects from ${trace.remoteIp ?? 'here'}`, fields: { port: 25 } },
  { time: at(90), kind: 'smtp', side: 'server', text: '220 mail.example.org ESMTP', code: 220, explain: 'We greet the client and say our name.' },
  { time: at(90), kind: 'smtp', side: 'client', text: `EHLO ${trace.remoteName ?? 'client'}`, explain: 'The client says its name and asks what we can do.' },
  { time: at(90), kind: 'smtp', side: 'server', text: '250-STARTTLS', code: 250, explain: 'We list our extensions, encryption among them.' },
  { time: at(89), kind: 'tls', text: 'The connection is encrypted: TLS 1.3, TLS_AES_128_GCM_SHA256', severity: 'ok', explain: 'Nobody on the way can read the message.' },
  { time: at(89), kind: 'smtp', side: 'client', text: `MAIL FROM:<${trace.from.slice(0, 80)}>`, explain: 'Who gets the report if the message cannot be delivered.' },
  { time: at(89), kind: 'check', text: 'SPF pass: 192.0.2.40 may send for bigmail.test', severity: 'ok' },
  { time: at(88), kind: 'smtp', side: 'client', text: `RCPT TO:<${trace.to[0]}>`, explain: 'Who the message is for.' },
  { time: at(88), kind: 'smtp', side: 'server', text: '250 2.1.5 OK', code: 250, explain: 'We know this address.' },
  { time: at(87), kind: 'check', text: 'DKIM pass: signed by bigmail.test with selector s1', severity: 'ok', fields: { selector: 's1', algorithm: 'rsa-sha256', bits: 2048 } },
  { time: at(87), kind: 'check', text: 'DMARC pass: policy reject, aligned by DKIM', severity: 'ok' },
  trace.outcome === 'refused'
    ? { time: at(86), kind: 'smtp', side: 'server', text: `550 5.7.1 ${trace.reason}`, code: 550, explain: 'We refuse the message for good. The sender is told by its own server.', severity: 'fail' }
    : { time: at(86), kind: 'smtp', side: 'server', text: '250 2.0.0 Stored as 4f2a', code: 250, explain: 'The message is on our disk; from now on it is ours to deliver.', severity: 'ok' },
  ...(trace.outcome === 'delivered' ? [{ time: at(85), kind: 'filed', text: `Filed in INBOX of ${trace.to[0]}`, severity: 'ok' }] : []),
  ...(trace.outcome === 'deferred' ? [{ time: at(80), kind: 'smtp', side: 'server', text: '451 4.7.1 Greylisted, try again in 5 minutes', code: 451, explain: 'A temporary refusal: many servers make first contacts wait. We try again by ourselves.', severity: 'warn' }] : []),
];

const row = (id, title, points, of, state, text, evidence, fix) => ({ id, title, points, of, state, text, evidence: evidence.join('; '), fix });
const deliverability = {
  score: 75, of: 90, verdict: 'Fair. Most places take your mail; Microsoft slows it down.',
  rows: [
    row('identity.auth', 'SPF, DKIM and DMARC', 20, 20, 'ok', 'all three in place and aligned', ['example.org: SPF pass, DKIM r1 pass, DMARC p=none'], ''),
    row('identity.ptr', 'Reverse name', 5, 10, 'warn', 'missing for IPv6', ['203.0.113.5 → mail.example.org', '2001:db8::5 has no PTR record'], 'Set the reverse name where you rent the server.'),
    row('acceptance', 'Acceptance by the big providers', 20, 30, 'fail', 'Microsoft slows you down', ['451 4.7.650 … rate limited due to IP reputation (S775), 12 times since Tuesday'], 'Ask Microsoft for mitigation with the form at sender.office.com, and keep sending steadily.'),
    row('lists', 'Blocklists', 15, 15, 'ok', 'on none of 8', ['zen.example refused to answer our resolver: not counted'], ''),
    row('tls', 'Encryption', 10, 10, 'ok', 'MTA-STS and TLS reports in place', [], ''),
    row('placement', 'Inbox or junk', 0, 10, 'unknown', 'not enough answers yet', [], 'Send a test mail and say where it arrived.'),
    row('hygiene', 'Bounces', 5, 5, 'ok', '1 of 96 messages bounced', [], ''),
  ],
  providers: [
    { id: 'microsoft', unknown: 0, name: 'Microsoft', domains: ['outlook.test', 'hotmail.test'], sent: 41, accepted: 28, deferred: 12, refused: 1, acceptedShare: 0.68, tlsShare: 1, state: 'warn', text: 'Microsoft does not trust the address of this server yet.', lastReplies: ['451 4.7.650 The mail server [203.0.113.5] has been temporarily rate limited due to IP reputation. (S775)', '250 2.6.0 Queued mail for delivery'] },
    { id: 'google', unknown: 0, name: 'Google', domains: ['bigmail.test'], sent: 96, accepted: 96, deferred: 0, refused: 0, acceptedShare: 1, tlsShare: 1, state: 'ok', text: 'Everything was accepted.', lastReplies: [{ time: at(7200), domain: 'x.test', cause: '', text: '250 2.0.0 OK' }] },
    { id: 'strict.test', unknown: 2, name: 'strict.test', domains: ['strict.test'], sent: 24, accepted: 3, deferred: 0, refused: 21, acceptedShare: 0.125, tlsShare: 0.5, state: 'fail', text: 'Most of your mail is refused by policy.', lastReplies: [{ time: at(7200), domain: 'x.test', cause: '', text: '550 5.7.1 Refused by policy' }] },
    { id: 'others', unknown: 0, acceptedShare: 1, lastReplies: [], name: 'Others', domains: ['contact.test', 'shop.test'], sent: 7, accepted: 7, deferred: 0, refused: 0, tlsShare: 0.86, state: 'unknown', text: 'Fewer than 20 messages: not enough mail to say.' },
  ],
};

const filtered = (query) =>
  traces.filter((trace) => {
    const q = (query.get('q') ?? '').toLowerCase();
    return (!q || JSON.stringify(trace).toLowerCase().includes(q)) && (!query.get('direction') || trace.direction === query.get('direction')) && (!query.get('outcome') || trace.outcome === query.get('outcome'));
  });
const page = (items, query) => {
  const from = Number(query.get('cursor') ?? 0);
  const limit = Number(query.get('limit') ?? 50);
  return [200, { items: items.slice(from, from + limit), next: from + limit < items.length ? String(from + limit) : undefined, total: items.length }];
};

const session = () => ({
  signedIn: state.signedIn,
  account: state.signedIn ? { address: 'admin@example.org', name: 'Anna Berg', role: state.role, domains: ['example.org'] } : undefined,
  methods: { passkey: false, totp: true }, setup: false, version: state.version, hostname: 'mail.example.org', banner: 'Nothing leaves this computer',
});

const act = ({ body }) => {
  const hit = (entry) => (body.ids ? body.ids.includes(entry.id) : !body.filter?.cause || entry.recipients[0].cause === body.filter.cause);
  const changed = queue.filter(hit).length;
  return [200, { changed }];
};

export const routes = [
  ...trustRoutes,
  ['GET', '/session', () => [200, session()]],
  ['POST', '/session', ({ body }) => {
    if (body.password !== 'secret') return problem(401, 'invalid-login', 'Not signed in', 'Address or password is wrong.');
    if (body.address.startsWith('totp')) return [200, { next: 'totp' }];
    state.signedIn = true;
    return [200, session()];
  }],
  ['POST', '/session:totp', ({ body }) => (body.code === '123456' ? ((state.signedIn = true), [200, session()]) : problem(401, 'invalid-code', 'Wrong code', 'The code is wrong or was used already.'))],
  ['POST', '/session:reauth', ({ body }) => (body.password === 'secret' ? [200, {}] : problem(401, 'invalid-login', 'Not right', 'The password is wrong.'))],
  ['DELETE', '/session', () => ((state.signedIn = false), [204])],
  ['GET', '/overview', () => [200, {
    sentence: 'Your mail server works. One thing needs a look.', state: 'warn', toFix: checks.map((c) => ({ ...c, mutedUntil: state.muted.get(c.id) })),
    last24h: { in: 412, out: 96, refused: 1930, accepted: 96, acceptedShare: 1, queue: 20, p95DeliverySeconds: 1.8, series: series(['mail.in', 'mail.out', 'mail.refused'], now / 1000 - 86400, now / 1000, 3600) },
    disk: { used: 12.4e9, total: 40e9, fullAt: '2028-03-14T00:00:00Z' }, certificate: { notAfter: at(-61 * 86400) }, version: state.version, checks: { ok: 31, warn: 2, fail: 0, unknown: 2 },
  }]],
  ['POST', '/checks/{id}:mute', ({ params, body }) => (state.muted.set(params[0], body.until), [204])],
  ['POST', '/checks/{id}:unmute', ({ params }) => (state.muted.delete(params[0]), [204])],
  ['GET', '/metrics-series', ({ query }) => [200, series(query.getAll('name'), Date.parse(query.get('from')) / 1000, Date.parse(query.get('to')) / 1000, Number(query.get('step')))]],
  ['GET', '/traces', ({ query }) => page(filtered(query), query)],
  ['GET', '/refusals', ({ query }) => page(filtered(query).filter((t) => t.outcome === 'refused' || t.junk), query)],
  ['GET', '/traces/{id}', ({ params }) => {
    const trace = traces.find((t) => t.id === params[0]);
    return trace ? [200, { ...trace, story: story(trace), similar: 11 }] : problem(404, 'not-found', 'Not found', 'There is no message with this ID. Traces are kept for 30 days.');
  }],
  ['GET', '/deliverability', () => [200, deliverability]],
  ['GET', '/queue', ({ query }) => page(queue.filter((e) => (!query.get('cause') || e.recipients[0].cause === query.get('cause')) && (!query.get('address') || JSON.stringify(e).includes(query.get('address')))), query)],
  ['GET', '/queue/groups', () => [200, { messages: queue.length, recipients: queue.length, oldest: at(26 * 3600), groups }]],
  ['GET', '/queue/{id}', ({ params }) => {
    const item = queue.find((e) => e.id === params[0]);
    return item ? [200, item] : problem(404, 'not-found', 'Not found', 'This message is not in the queue.');
  }],
  ...['retry', 'hold', 'release', 'cancel', 'reroute'].map((verb) => ['POST', `/queue:${verb}`, act]),
];

// live sends an event now and then.
export function live() {
  setInterval(() => {
    const trace = { ...traces[Math.floor(random() * 40)], id: `tr_live${Math.floor(random() * 1e9).toString(36)}`, start: new Date().toISOString(), last: new Date().toISOString() };
    state.listeners.forEach((send) => send({ id: String(Date.now()), event: 'trace.changed', data: trace }));
  }, 2500);
}
