import { connect } from 'node:net';
import { call, must } from './api';
import { expect, signIn, test } from './fixtures';
import { imap } from './imap';
import { suspicious } from './mails';
import { port, type Server } from './server';
import { receive, submit } from './smtp';

// Names and texts that others choose, on every page that shows them: they are text, they reorder nothing, and they do not
// push a page wider than the screen.

const markup = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
const bidi = '\u202egnp.exe\u2066\u200f';
const hostilePath = '"<img/src=x/onerror=alert(1)>"@bigmail.test';
const longDomain = `${'d'.repeat(60)}.down.test`;
const long = 'W'.repeat(10_000);

/** Speaks lines of SMTP whatever is answered. */
function speak({ ready }: Server, ...lines: string[]): Promise<void> {
  return new Promise((done, fail) => {
    const socket = connect({ host: '127.0.0.1', port: port(ready.smtp) });
    let at = 0;
    socket.setTimeout(20_000, () => socket.destroy(new Error('the SMTP server does not answer')));
    socket.on('error', fail);
    socket.on('close', () => done());
    socket.on('data', () => {
      if (at < lines.length) socket.write(lines[at++] + '\r\n');
      else if (!socket.writableEnded) socket.end('QUIT\r\n');
    });
  });
}

test.use({ userAgent: `Mozilla/5.0 ${markup} ${'U'.repeat(4000)}` });

test('what others wrote is shown as text', async ({ page, server, offences }) => {
  test.setTimeout(240_000);
  const { ready } = server;
  const [alice] = ready.accounts;

  await test.step('hostile mail, people and devices', async () => {
    await receive(ready, '"<b onclick=x>&amp;"@elsewhere.test', '"<script>x</script>"@example.test', 'Subject: x\n\nx');
    await receive(ready, hostilePath, 'alice@example.test', `Subject: ${markup}\n\nHello`);
    await receive(ready, 'kim@xn--80ak6aa92e.test', 'nobody@example.test', 'Subject: x\n\nx');
    expect(await receive(ready, hostilePath, 'alice@example.test', suspicious({ to: 'alice@example.test', subject: `${markup}${bidi}` }))).toMatch(/^250/);
    await speak(server, `EHLO <script>document.title=3</script>`, `EHLO a\u0001\u0008b${bidi}`, `MAIL FROM:<${'l'.repeat(3000)}@elsewhere.test>`);
    const word = `=?utf-8?B?${Buffer.from(markup.slice(0, 30) + bidi).toString('base64')}?=`;
    expect(await submit(ready, alice!, 'bob@example.test', `From: ${word} <alice@example.test>\nSubject: ${markup}\nMessage-ID: <script@x.test>\n\nHello`)).toMatch(/^250/);
    await submit(ready, alice!, '"<svg/onload=x>"@down.test', 'From: <alice@example.test>\nSubject: waits\n\nHello');
    await submit(ready, alice!, `${'r'.repeat(64)}@${longDomain}`, 'From: <alice@example.test>\nSubject: waits\n\nHello');

    await signIn(page, ready.admin.user, ready.admin.password);
    await page.waitForURL('**/admin/');
    // Before it is given up: a queue that is only tried gives up soon.
    await page.goto('/admin/mail/queue?q=@down.test');
    await expect(page.getByRole('row').filter({ hasText: '<svg/onload=x>' })).toBeVisible();
    await expect.poll(async () => (await must(page, 'GET', `/traces?q=@${longDomain}`)).items[0]?.outcome, 'its story tells of an attempt').toMatch(/bounced|deferred/);
    await must(page, 'POST', '/accounts', { address: 'mallory@example.test', name: `${markup}${bidi}`, password: 'one two three four five six' });
    expect((await call(page, 'POST', '/accounts', { address: 'long@example.test', name: long })).status, 'a name of 10 KB').toBe(422);
    await call(page, 'POST', '/accounts', { address: 'wide@example.test', name: 'W'.repeat(200), password: 'one two three four five six' });
    const label = await must(page, 'POST', '/me/app-passwords', { label: markup.slice(0, 60), protocols: ['imap'] });
    await imap(ready, { address: ready.admin.user, password: label.password }, `ID ("name" "<script>x</script>" "version" "${'9'.repeat(500)}")`);
    await call(page, 'POST', '/domains', { name: `<script>.test` });
    await call(page, 'POST', '/session:reauth', { password: `${markup}` });
  });

  const pages = [
    '/admin/',
    '/admin/mail',
    '/admin/mail/search',
    `/admin/mail/search?q=${encodeURIComponent(markup + bidi)}`,
    `/admin/mail/search?q=${'W'.repeat(3000)}`,
    '/admin/mail/refusals',
    '/admin/mail/quarantine',
    '/admin/deliverability/sent',
    '/admin/mail/junk/postmaster@example.test',
    '/admin/deliverability/dmarc?domain=example.test',
    '/admin/mail/queue',
    '/admin/people',
    '/admin/people/mallory@example.test',
    '/admin/people/wide@example.test',
    `/admin/people/${encodeURIComponent(markup)}`,
    `/admin/people/resolve?address=${encodeURIComponent(`"${markup}"@example.test`)}`,
    `/admin/people/${ready.admin.user}/devices`,
    `/admin/people/${ready.admin.user}/sign-ins`,
    `/admin/domains/${encodeURIComponent(markup)}`,
    '/admin/security',
    '/admin/security/audit',
    '/account/',
    '/account/sessions',
    '/admin/system/logs',
    '/admin/system/storage',
  ];
  const kept = (await must(page, 'GET', '/quarantine?limit=200')).items as { id: string; subject: string }[];
  pages.push(`/admin/mail/quarantine/${kept.find((message) => message.subject.includes('onerror'))!.id}`);
  const { items } = await must(page, 'GET', '/traces?limit=50');
  const stories = (items as { id: string }[]).slice(0, 8).map((item) => `/admin/mail/message/${item.id}`);

  for (const viewport of [{ width: 1360, height: 860 }, { width: 360, height: 700 }]) {
    await page.setViewportSize(viewport);
    for (const path of [...pages, ...stories]) {
      await test.step(`${viewport.width} ${path.slice(0, 60)}`, async () => {
        await page.goto(path);
        await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
        await expect(page.locator('[aria-busy=true]')).toHaveCount(0);
        await page.evaluate(() => document.fonts.ready); // another font has other widths
        const seen = await page.evaluate(() => ({
          tooWide:
            document.documentElement.scrollWidth <= innerWidth
              ? []
              : [`the page: ${document.documentElement.scrollWidth}`, ...[...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth || e.scrollWidth > innerWidth).map((e) => `${e.tagName}.${e.className}: ${e.textContent?.slice(0, 60)}`)],
          foreign: document.querySelectorAll('body script, [onerror], [onload], [onclick], img[src="x"]').length,
          marks: /[\u0000-\u0008\u202a-\u202e\u2066-\u2069]/.test(document.body.innerText + document.title),
          title: document.title,
        }));
        expect.soft(seen.tooWide, 'what is wider than the screen').toEqual([]);
        expect.soft(seen.foreign, 'elements made of text').toBe(0);
        expect.soft(seen.marks, 'direction marks and controls').toBe(false);
        expect.soft(seen.title).not.toMatch(/^[123]$/);
      });
    }
  }

  await page.setViewportSize({ width: 1360, height: 860 });
  await page.goto('/admin/people');
  await expect(page.getByRole('row').filter({ hasText: 'mallory@example.test' })).toContainText('<img src=x onerror=');
  await page.goto('/admin/mail/search?q=@bigmail.test');
  await page.getByRole('row').filter({ hasText: hostilePath }).getByRole('link').first().click();
  await expect(page.getByRole('dialog').getByText(hostilePath).first()).toBeVisible();
  await expect(page.locator('img')).toHaveCount(0);
  expect(offences).toEqual([]);
});
