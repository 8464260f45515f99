import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import type { Page } from '@playwright/test';
import { must } from './api';
import { expect, signIn, test } from './fixtures';
import { fingerprint, imap } from './imap';
import { port, root, type Server } from './server';
import { honest, hopeless, suspicious } from './mails';
import { dmarcReport, reportMail, tlsReport } from './reports';
import { bigmail, receive, submit } from './smtp';

// Takes the pictures of docs/screenshots anew, from a server that has had some mail: `make screenshots`. They are looked at, not compared.

const folder = resolve(root, 'docs/screenshots');
const password = 'three quiet rivers in may';

const people: [address: string, name: string, role?: string][] = [
  ['ines@example.test', 'Ines Duarte', 'admin'],
  ['kofi@example.test', 'Kofi Mensah', 'support'],
  ['marta@example.test', 'Marta Lindqvist'],
  ['tom@example.test', 'Tom Okafor'],
  ['yuki@example.test', 'Yuki Tanaka'],
  ['lena@garden.test', 'Lena Vogt', 'domain-admin'],
  ['paulo@garden.test', 'Paulo Reis'],
];

const subjects = ['Invoice 2026-118', 'Minutes of Tuesday', 'Offer for the roof', 'Train on Friday?', 'Photos from the lake', 'Your order'];

const text = (from: string, subject: string) =>
  `From: <${from}>\nSubject: ${subject}\nDate: ${new Date().toUTCString()}\nMessage-ID: <${crypto.randomUUID()}@example.test>\n\nHello,\n\nsee you soon.\n${'All the best. '.repeat(40)}\n`;

/** Gives the server people, mail that came, went, was refused and waits, and devices. */
async function fill(page: Page, server: Server): Promise<void> {
  const { ready } = server;
  await must(page, 'POST', '/domains', { name: 'garden.test' });
  for (const [address, name, role] of people)
    await must(page, 'POST', '/accounts', { address, name, role: role ?? 'user', password, quotaBytes: 5 * 2 ** 30, ...(role === 'domain-admin' ? { domains: ['garden.test'] } : {}) });
  await must(page, 'PATCH', '/accounts/alice@example.test', { name: 'Alice Berger' });
  await must(page, 'PATCH', '/accounts/bob@example.test', { name: 'Bob Sørensen' });
  for (const [address, targets] of [
    ['info@example.test', ['alice@example.test', 'bob@example.test']],
    ['sales@example.test', ['marta@example.test']],
    ['postmaster@garden.test', ['lena@garden.test']],
  ] as const)
    await must(page, 'POST', '/aliases', { address, targets });

  const [alice, bob] = ready.accounts;
  const marta = { address: 'marta@example.test', password };
  const tom = { address: 'tom@example.test', password };
  for (const [who, to] of [
    [alice, 'kim.park@bigmail.test'], [marta, 'orders@bigmail.test'], [bob, 'tom@example.test'], [tom, 'jana@bigmail.test'],
    [alice, 'lena@garden.test'], [bob, 'service@bigmail.test'], [marta, 'office@slow.test'], [tom, 'yuki@example.test'],
    [alice, 'press@bigmail.test'], [bob, 'kim.park@bigmail.test'], [marta, 'claims@strict.test'], [tom, 'bookings@down.test'],
    [alice, 'front.desk@down.test'], [bob, 'alice@example.test'], [marta, 'hello@bigmail.test'], [alice, 'sam@slow.test'],
  ] as const)
    await submit(ready, who!, to, text(who!.address, subjects[to.length % subjects.length]!));
  for (const [from, to] of [
    ['news@gazette.test', 'alice@example.test'], ['billing@power.test', 'info@example.test'], ['win@prizes.test', 'nobody@example.test'],
    ['jo@harbour.test', 'marta@example.test'], ['ceo@example.test', 'bob@example.test'], ['offers@prizes.test', 'webmaster@example.test'],
    ['anna@harbour.test', 'tom@example.test'], ['shop@threads.test', 'paulo@garden.test'], ['x@prizes.test', 'someone@bigmail.test'],
  ] as const)
    await receive(ready, from, to, text(from, subjects[from.length % subjects.length]!));

  for (const label of ['Phone', 'Thunderbird at work']) {
    const made = await must(page, 'POST', '/me/app-passwords', { label, protocols: ['imap', 'smtp'] });
    await imap(ready, { address: ready.admin.user, password: made.password }, `ID ("name" "${label.split(' ')[0]}" "version" "14.2")`, 'SELECT INBOX');
  }
  await imap(ready, marta, 'SELECT INBOX');
  await imap(ready, { ...tom, password: 'summer2019' }).catch(() => {}); // a failed sign-in
  await expect(async () => {
    const { items } = await must(page, 'GET', '/traces?outcome=bounced');
    expect(items.length).toBeGreaterThan(0);
  }).toPass({ timeout: 40_000 });
  await must(page, 'POST', '/checks:run', {});
  await must(page, 'POST', '/domains/example.test/dns:check');
  await expect(async () => {
    // The numbers of the day are counted by the minute.
    expect((await must(page, 'GET', '/overview')).last24h.in).toBeGreaterThan(0);
  }).toPass({ timeout: 150_000 });
}

/** Mail for the quarantine, some that is refused, and some that nothing speaks against. */
async function fillQuarantine(page: Page, { ready }: Server): Promise<void> {
  await must(page, 'PUT', '/lists', { kind: 'allow', entry: '@gazette.test', note: 'the weekly paper' });
  await must(page, 'PUT', '/lists', { kind: 'block', entry: '203.0.113.0/24', note: 'phishing in November' });
  for (const [from, name, to, subject] of [
    ['payments@paypa1.test', 'Customer Service', 'alice@example.test', 'YOUR ACCOUNT IS LIMITED'],
    ['office@accounts.test', 'Accounting', 'bob@example.test', 'Overdue invoice'],
    ['win@prizes.test', 'Lottery', 'alice@example.test', 'YOU HAVE WON'],
    ['parcel@delivery.test', 'Parcel service', 'bob@example.test', 'Your parcel waits'],
    ['hr@people.test', 'Human resources', 'alice@example.test', 'New salary table'],
  ] as const)
    await receive(ready, from, to, suspicious({ from, name, to, subject }));
  for (const from of ['cheap@prizes.test', 'x@prizes.test']) await receive(ready, from, 'alice@example.test', hopeless({ from, to: 'alice@example.test', subject: 'LAST CHANCE' }));
  for (const from of ['ruth@elsewhere.test', 'anna@harbour.test', 'jo@harbour.test']) await receive(ready, from, 'bob@example.test', honest({ from, to: 'bob@example.test', subject: 'Friday' }));
}

/** A month of reports about example.test. */
async function fillReports({ ready }: Server): Promise<void> {
  const to = 'dmarc-reports@example.test';
  for (let day = 28; day > 0; day--) {
    const records = [
      { ip: '127.0.0.1', count: 20 + ((day * 7) % 13), pass: true },
      ...(day % 3 ? [{ ip: '198.51.100.77', count: 1 + (day % 4), pass: false }] : []),
    ];
    await receive(ready, 'dmarc@bigmail.test', to, reportMail('dmarc@bigmail.test', to, dmarcReport('example.test', day, records)), bigmail);
    await receive(ready, 'tls@bigmail.test', to, reportMail('tls@bigmail.test', to, tlsReport('example.test', day, 30 + ((day * 5) % 17), day === 12 ? 6 : 0)), bigmail);
  }
}

/** Shows some text as another: what only a test has as what a server would have. */
const showAs = (page: Page, text: string, as: string) =>
  page.evaluate(
    ([text, as]) => {
      const nodes = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      while (nodes.nextNode()) nodes.currentNode.textContent = nodes.currentNode.textContent!.replaceAll(text, as);
    },
    [text, as] as const,
  );

/** An old server, some of whose accounts have come: it is this one. Returns how the imports name it. */
async function fillImports(page: Page, { ready }: Server): Promise<string> {
  const [alice] = ready.accounts;
  const cur = resolve(ready.data, 'imports/files/alice/cur');
  mkdirSync(cur, { recursive: true });
  for (let n = 0; n < 8000; n++) writeFileSync(resolve(cur, `${1_600_000_000 + n}.M${n}.old:2,S`), `From: x@far.example\nSubject: Letter ${n}\n\n${'text '.repeat(300)}\n`);
  const { id } = await must(page, 'POST', '/imports', { kind: 'maildir', account: alice!.address, path: 'alice' });
  await expect.poll(async () => (await must(page, 'GET', `/imports/${id}`)).state, { timeout: 60_000 }).toBe('done');
  await must(page, 'DELETE', `/imports/${id}`);
  const names = ['anna', 'bea', 'carlos', 'dana', 'emil', 'fatima', 'greta', 'hugo', 'ines', 'jonas', 'kofi', 'lena', 'marta', 'noor', 'otto', 'priya'];
  for (const name of names) await must(page, 'POST', '/accounts', { address: `${name}@moved.test`, password });
  const text = names.map((name) => `${name}@moved.test,${alice!.address},${name === 'dana' ? 'wrong' : alice!.password}`).join('\n');
  await must(page, 'POST', '/imports:bulk', { text, source: { host: '127.0.0.1', port: port(ready.imaps), fingerprint: await fingerprint(ready) } });
  return `127.0.0.1:${port(ready.imaps)}`;
}

const desktop = { width: 1360, height: 860 };
const phone = { width: 390, height: 844 };
type Look = 'desktop' | 'dark' | 'phone';

async function shoot(page: Page, name: string, look: Look, path: string | null, before?: () => Promise<void>): Promise<void> {
  await test.step(name, async () => {
    await page.setViewportSize(look === 'phone' ? phone : desktop);
    await page.emulateMedia({ colorScheme: look === 'dark' ? 'dark' : 'light', reducedMotion: 'reduce' });
    if (path) await page.goto(path);
    await expect(page.getByRole('heading', { level: 1 }).first()).toBeVisible();
    await expect(page.locator('[aria-busy=true]')).toHaveCount(0);
    await before?.();
    await page.evaluate(() => document.fonts.ready);
    await page.evaluate(() => new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted))));
    const file = resolve(folder, `${name}.png`);
    await page.screenshot({ path: file, animations: 'disabled', caret: 'hide' });
    try {
      execFileSync('pngquant', ['--force', '--skip-if-larger', '--quality', '70-95', '--output', file, file]);
    } catch {
      // Without pngquant the pictures are larger, and right all the same.
    }
  });
}

// Nothing is declared without the variable: a picture is taken when somebody wants to look at it.
/** Gives the server somebody to tell, something to tell of, and a web server that is told. */
async function fillAlerts(page: Page, { ready }: Server): Promise<{ at: string; close: () => void }> {
  const web = createServer((request, response) => request.resume().on('end', () => response.writeHead(204).end()));
  await new Promise<void>((done) => web.listen(0, '127.0.0.1', done));
  const at = `http://127.0.0.1:${(web.address() as AddressInfo).port}/mail`;
  await must(page, 'PUT', '/settings/push.private-networks', { value: 'true' });
  await must(page, 'POST', '/alert-channels', { kind: 'mail', to: 'ops@bigmail.test', daily: true });
  await must(page, 'POST', '/alert-channels', { kind: 'ntfy', to: 'https://ntfy.example/mail-at-home', least: 'fail' });
  await must(page, 'POST', '/webhooks', { url: at, events: ['message.received', 'message.bounced'] });
  await receive(ready, 'news@gazette.test', ready.accounts[0]!.address, text('news@gazette.test', 'This week'));
  await submit(ready, ready.accounts[0]!, 'office@slow.test', text(ready.accounts[0]!.address, 'Are you there?'));
  await must(page, 'PUT', '/settings/alerts.queue-size', { value: '1' });
  await expect(async () => {
    const { items } = await must(page, 'GET', '/alerts');
    expect(items.map((a: { id: string }) => a.id)).toContain('queue.size');
  }).toPass();
  return { at, close: () => web.close() };
}

if (process.env.MAILSTEAD_SCREENSHOTS) {
  test('screens', async ({ page, server }) => {
    test.setTimeout(360_000);
    mkdirSync(folder, { recursive: true });
    const { ready } = server;
    await shoot(page, 'sign-in', 'dark', '/account/sign-in');
    await signIn(page, ready.admin.user, ready.admin.password);
    await page.waitForURL('**/admin/');
    await fill(page, server);

    const trace = async (query: string) => (await must(page, 'GET', `/traces?limit=1&${query}`)).items[0].id as string;
    const bounced = await trace('outcome=bounced');
    const slow = await trace('q=office@slow.test');

    await shoot(page, 'overview', 'desktop', '/admin/');
    await shoot(page, 'overview-phone', 'phone', '/admin/');
    await shoot(page, 'live', 'desktop', '/admin/mail');
    await shoot(page, 'story-bounced', 'desktop', `/admin/mail/search?message=${bounced}`, async () => {
      const refusal = page.getByRole('dialog').locator('.talk li.fail').first();
      await refusal.scrollIntoViewIfNeeded();
    });
    await shoot(page, 'story-phone', 'phone', `/admin/mail/message/${slow}`);
    await shoot(page, 'queue', 'desktop', '/admin/mail/queue');
    await shoot(page, 'refusals', 'dark', '/admin/mail/refusals');
    await shoot(page, 'domain-dns', 'desktop', '/admin/domains/example.test/dns');
    await shoot(page, 'people', 'desktop', '/admin/people');
    await shoot(page, 'person', 'dark', `/admin/people/${ready.admin.user}/devices`);
    await shoot(page, 'deliverability', 'desktop', '/admin/deliverability');
    await shoot(page, 'audit', 'desktop', '/admin/security/audit');
    await shoot(page, 'checks', 'dark', '/admin/system');
    await shoot(page, 'settings', 'desktop', '/admin/system/settings');
    await shoot(page, 'account', 'phone', '/account/');
  });
  test('screens of what comes in', async ({ page, server }) => {
    test.setTimeout(240_000);
    const { ready } = server;
    await signIn(page, ready.admin.user, ready.admin.password);
    await page.waitForURL('**/admin/');
    await fillQuarantine(page, server);
    await fillReports(server);
    const { items } = await must(page, 'GET', '/quarantine?account=alice@example.test');

    await shoot(page, 'quarantine', 'desktop', '/admin/mail/quarantine');
    await shoot(page, 'quarantine-phone', 'phone', '/admin/mail/quarantine');
    await shoot(page, 'quarantine-message', 'dark', `/admin/mail/quarantine/${items[0].id}`, async () => {
      await expect(page.getByRole('list', { name: 'Parts of the score' })).toBeVisible();
    });
    await shoot(page, 'story-verdict', 'desktop', `/admin/mail/message/${items[0].trace}`, async () => {
      await page.getByRole('region', { name: 'Verdict for alice@example.test' }).evaluate((verdict) => window.scrollTo(0, verdict.getBoundingClientRect().top + window.scrollY - 140));
    });
    await shoot(page, 'junk-rules', 'desktop', '/admin/mail/junk', async () => {
      await page.getByLabel('Refused from').fill('11');
      await page.getByRole('status').filter({ hasText: 'deliveries since' }).locator('summary').first().click();
    });
    await shoot(page, 'dmarc-reports', 'desktop', '/admin/deliverability/dmarc');
    await shoot(page, 'tls-reports', 'dark', '/admin/deliverability/tls');
    await shoot(page, 'storage', 'desktop', '/admin/system/storage');
    await page.goto('/admin/system/backups');
    await page.getByRole('button', { name: 'Back up now' }).click();
    await expect(page.getByText('Last proved that it can be restored')).toBeVisible({ timeout: 60_000 });
    await shoot(page, 'backups', 'desktop', '/admin/system/backups');
    const backup = (await must(page, 'GET', '/backups')).items[0].id as string;
    await shoot(page, 'backup', 'dark', `/admin/system/backups?backup=${backup}`);
    await shoot(page, 'backup-mail', 'desktop', `/admin/system/backups/${backup}/bob@example.test`);
    await shoot(page, 'bring-back', 'desktop', `/admin/system/backups/${backup}/bob@example.test`, async () => {
      await page.getByRole('button', { name: 'Bring back this mailbox' }).click();
      await page.getByRole('radio', { name: 'One mailbox, to look through it first' }).check();
      await page.getByRole('button', { name: 'See what would be added' }).click();
      await expect(page.getByRole('region', { name: 'What would happen' })).toBeVisible();
    });
    await must(page, 'POST', '/domains', { name: 'moved.test' });
    await page.goto('/admin/system/imports');
    const source = await fillImports(page, server);
    await shoot(page, 'imports', 'desktop', '/admin/system/imports', async () => {
      await expect(page.getByRole('region', { name: source })).toContainText(/[4-9] of 16 done.*messages a second/, { timeout: 120_000 });
      await showAs(page, source, 'imap.oldhost.example:993');
    });
    await shoot(page, 'imports-phone', 'phone', '/admin/system/imports', async () => {
      await expect(page.getByRole('region', { name: source })).toBeVisible();
      await showAs(page, source, 'imap.oldhost.example:993');
    });
    await must(page, 'POST', '/imports:cancel', {});
    const hooks = await fillAlerts(page, server);
    await shoot(page, 'alerts', 'desktop', '/admin/system/alerts', async () => {
      await page.getByRole('region', { name: 'Wrong now' }).locator('details').filter({ hasText: 'Queue' }).locator('summary').click();
    });
    await shoot(page, 'webhooks', 'desktop', '/admin/system/webhooks', () => showAs(page, hooks.at, 'https://crm.example/mail'));
    hooks.close();
    const { program } = await must(page, 'GET', '/updates');
    await shoot(page, 'updates', 'desktop', '/admin/system/updates', () => showAs(page, program, '/usr/bin/mailstead'));
    await shoot(page, 'logs', 'dark', '/admin/system/logs');
    await must(page, 'DELETE', '/session');
    await signIn(page, ready.accounts[0]!.address, ready.accounts[0]!.password, '/account/sign-in');
    await expect(page.getByRole('heading', { name: 'Mail programs' })).toBeVisible();
    await shoot(page, 'held-back-phone', 'phone', '/account/junk');
  });
}
