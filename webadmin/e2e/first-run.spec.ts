import type { Page } from '@playwright/test';
import { expect, test } from './fixtures';
import { imap } from './imap';
import { picture } from './picture';
import { firstRun, world } from './world';

// The script of docs/first-run.md: from the printed link to the first mail in both directions, and nothing outside the
// wizard but what the world does: somebody publishes records, somebody writes a mail.

test.use({ serverArgs: ['--setup'], viewport: { width: 1120, height: 820 } });

const address = 'ana@example.test';
const password = 'seven purple lamps by the river';

async function phonePicture(page: Page, name: string) {
  if (!process.env.MAILSTEAD_SCREENSHOTS) return;
  const size = page.viewportSize()!;
  await page.setViewportSize({ width: 390, height: 844 });
  await picture(page, `first-run-${name}-phone`);
  await page.setViewportSize(size);
}

const heading = (page: Page, name: string | RegExp) => page.getByRole('heading', { level: 1, name });
const row = (page: Page, record: string) => page.locator(`[data-record="${record}"]`);

test('from the printed link to the first mail in both directions', async ({ page, browser, server, axe }) => {
  test.setTimeout(180_000);
  /** No barrier in either theme, and nothing wider than a phone. */
  async function sound() {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await axe.serious(), colorScheme).toEqual([]);
    }
    await page.emulateMedia({ colorScheme: 'light' });
    const size = page.viewportSize()!;
    await page.setViewportSize({ width: 360, height: 740 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 'wider than a phone').toBeLessThanOrEqual(0);
    await page.setViewportSize(size);
  }

  await test.step('the link lets one browser in, once', async () => {
    const link = firstRun(server.ready).url;
    await page.goto(link);
    await expect(heading(page, 'Your own mail server')).toBeVisible();
    expect(page.url(), 'the code leaves the address bar').not.toContain('#');
    await sound();
    await picture(page, 'first-run-1-start');
    await phonePicture(page, '1-start');

    const elsewhere = await browser.newContext({ baseURL: server.origin });
    const other = await elsewhere.newPage();
    await other.goto(link);
    await expect(heading(other, 'This code does not work any more')).toBeVisible();
    await expect(other.getByText('sudo mailstead setup')).toBeVisible();
    await elsewhere.close();
    await page.goto(link); // the browser that is in stays in
    await expect(heading(page, 'Your own mail server')).toBeVisible();
  });

  await test.step('start and address', async () => {
    // By keys alone.
    await page.keyboard.press('Tab');
    await expect(page.getByRole('link', { name: 'Skip to the step' })).toBeFocused();
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    await expect(page.getByRole('radio', { name: 'Serve my domain' })).toBeFocused();
    await page.keyboard.press('ArrowDown');
    await expect(page.getByRole('radio', { name: 'Move from another server' })).toBeChecked();
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Tab');
    await expect(page.getByRole('button', { name: 'Continue' })).toBeFocused();
    await page.keyboard.press('Enter');
    await expect(heading(page, 'Your address')).toBeFocused();
    await page.keyboard.press('Tab');
    await page.keyboard.type('Ana Berg');
    await page.keyboard.press('Tab');
    await page.keyboard.type('ana@nowhere');
    await page.keyboard.press('Tab');
    await page.keyboard.type(password);
    await page.keyboard.press('Enter');
    await expect(page.getByText(/is not an address|write it as in/)).toBeVisible();
    await page.getByLabel('Address', { exact: true }).fill(address);
    await expect(page.getByText('No mail goes to example.test yet.')).toBeVisible();
    await sound();
    await picture(page, 'first-run-2-you');
    await page.getByRole('button', { name: 'Continue' }).click();
  });

  await test.step('the server is checked', async () => {
    await expect(heading(page, 'Server check')).toBeVisible();
    await expect(page.getByRole('heading', { level: 2 }).first()).toContainText('Working');
    await page.getByText(/\d+ checks are right/).click();
    await expect(page.getByText('Outgoing port 25 over IPv4')).toBeVisible();
    await page.getByText(/\d+ checks are right/).click();
    await sound();
    await picture(page, 'first-run-3-server');

    // Ways round what does not work: a relay that is tried before it is kept, and no sending at all.
    await page.getByText('Send over another server, or only receive').click();
    await page.getByLabel('Server and port').fill('smtp.nowhere.test:587');
    await page.getByRole('button', { name: 'Test and use it' }).click();
    await expect(page.getByText(/the relay did not take the login: smtp.nowhere.test has no address/)).toBeVisible();
    const receiveOnly = page.getByRole('switch', { name: 'Only receive' });
    await receiveOnly.click();
    await expect(receiveOnly).toBeChecked();
    await expect(receiveOnly).toBeEnabled();
    await sound();
    await receiveOnly.click();
    await expect(receiveOnly).not.toBeChecked();
    await expect(receiveOnly).toBeEnabled();
    await page.getByRole('button', { name: 'Continue', exact: true }).click();
  });

  await test.step('rows turn green as records appear', async () => {
    await expect(heading(page, 'DNS for example.test')).toBeVisible();
    await expect(row(page, 'mx')).toHaveAttribute('data-standing', 'todo');
    await expect(row(page, 'mx')).toContainText('mail.example.test');
    await expect(page.getByRole('button', { name: 'Continue while we wait' })).toBeVisible();
    await sound();
    await picture(page, 'first-run-4-dns-empty');

    const zone = (await world(server.ready, 'GET', '/zone')).split('\n').filter((line) => line.trim());
    const mx = zone.filter((line) => /\sMX\s/.test(line)).join('\n');
    await world(server.ready, 'POST', '/zone', mx);
    await expect(row(page, 'mx')).toHaveAttribute('data-standing', 'right', { timeout: 30_000 });
    await world(server.ready, 'POST', '/zone', 'example.test. 300 IN TXT "v=spf1 -all <img src=x onerror=alert(1)>"');
    await expect(row(page, 'spf')).toHaveAttribute('data-standing', 'wrong', { timeout: 30_000 });
    await expect(row(page, 'spf')).toContainText('<img src=x onerror=alert(1)>');
    await sound();
    await picture(page, 'first-run-4-dns-some');
    await phonePicture(page, '4-dns');

    await world(server.ready, 'DELETE', '/zone?name=example.test');
    await world(server.ready, 'POST', '/zone', ['example.test. 300 IN NS ns1.test.', ...zone].join('\n'));
    await expect(page.getByText(/All \d+ records that mail needs are there/)).toBeVisible({ timeout: 30_000 });
    await sound();
    await picture(page, 'first-run-4-dns-done');
    await page.getByRole('button', { name: 'Continue', exact: true }).click();
  });

  await test.step('a certificate, and over to the name of the server', async () => {
    await expect(heading(page, 'Certificate')).toBeVisible();
    await expect(page.getByText('Not trusted by others yet')).toBeVisible();
    await sound();
    await picture(page, 'first-run-5-certificate');
    await page.getByRole('checkbox', { name: 'I accept the terms of the certificate authority' }).check();
    await page.getByRole('button', { name: 'Get a certificate' }).click();
    await expect(page.getByText('Trusted by everybody')).toBeVisible({ timeout: 30_000 });
    await sound();
    await picture(page, 'first-run-5-certificate-there');
    await page.getByRole('button', { name: 'Go on at mail.example.test' }).click();
    await expect(page, 'the code leaves the address bar').toHaveURL(new RegExp(`^${server.home}/setup/[^#]*$`));
  });

  await test.step('closed and opened again, it goes on where it was', async () => {
    await expect(heading(page, 'First mail, both ways')).toBeVisible();
    await page.goto(`${server.home}/setup/`);
    await expect(heading(page, 'First mail, both ways')).toBeVisible();
    const before = await page.context().newPage();
    await before.goto('/setup/');
    await expect(heading(before, 'Set up this server'), 'the address it came from is no way in any more').toBeVisible();
    await before.close();
  });

  await test.step('a mail comes in, and one goes out', async () => {
    await expect(page.getByText('Waiting for it.')).toBeVisible();
    await sound();
    await picture(page, 'first-run-6-mail-waiting');
    await world(server.ready, 'POST', `/mail?to=${address}`);
    const way = page.getByRole('region', { name: '1. Somebody writes to you' });
    await expect(way.getByText('Arrived')).toBeVisible();
    await expect(way.getByText('kim@bigmail.test', { exact: true })).toBeVisible();

    await expect(page.getByLabel('To', { exact: true })).toHaveValue('kim@bigmail.test');
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    const back = page.getByRole('region', { name: '2. You write back' });
    await expect(back.getByText('Arrived')).toBeVisible();
    await expect(back.getByText(/250/).first(), 'what the other server said').toBeVisible();
    await back.getByRole('button', { name: 'Spam' }).click();
    await expect(back.getByText('Mark it as no spam there')).toBeVisible();
    await back.getByRole('button', { name: 'Inbox' }).click();
    await expect(back.getByText('That is as it should be.')).toBeVisible();
    await sound();
    await page.evaluate(() => window.scrollTo(0, 0));
    await picture(page, 'first-run-6-mail-done');
    await phonePicture(page, '6-mail');
    await page.getByRole('button', { name: 'Continue', exact: true }).click();
  });

  await test.step('done: what to keep, and into the console', async () => {
    await expect(heading(page, 'Your server is ready')).toBeVisible();
    await sound();
    await picture(page, 'first-run-7-done');
    const saved = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save as text' }).click();
    expect((await saved).suggestedFilename()).toBe('recovery-kit-mail.example.test.txt');

    await page.getByRole('button', { name: 'Finish and sign in' }).click();
    await expect(page.getByText('You are signed in as')).toBeVisible();
    await page.getByRole('button', { name: 'Show the code' }).click();
    await expect(page.getByRole('img', { name: /QR code/ })).toBeVisible();
    await sound();
    await picture(page, 'first-run-8-finished');
    await page.getByRole('link', { name: 'To the console' }).click();
    await expect(page).toHaveURL(/\/admin\//);
    await expect(heading(page, /.+/)).toBeVisible();
    await page.goto(`${server.home}/admin/deliverability`);
    await expect(page.getByText('1 of 1 messages arrived in the inbox')).toBeVisible();
    const lines = await imap(server.ready, { address, password }, 'SELECT INBOX');
    expect(lines.join('\n')).toMatch(/\* [1-9]\d* EXISTS/);
  });

  await test.step('it is over', async () => {
    await page.goto(`${server.home}/setup/`);
    await expect(heading(page, 'This server is set up')).toBeVisible();
    await sound();
  });
});
