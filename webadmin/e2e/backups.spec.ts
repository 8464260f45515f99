import type { Page } from '@playwright/test';
import { call, must } from './api';
import { expect, signIn, test } from './fixtures';
import { imap, inbox } from './imap';
import { submit } from './smtp';

// Backups: made, proved, looked into, brought back and removed.

test('an owner makes a backup, sees its proof and whose mail it holds, and removes it', async ({ page, server, axe }) => {
  const { ready } = server;
  await signIn(page, ready.admin.user, ready.admin.password);
  await page.waitForURL('**/admin/');
  await page.goto('/admin/system');
  await page.getByRole('navigation', { name: 'System' }).getByRole('link', { name: 'Backups' }).click();
  const standing = page.getByRole('region', { name: 'How they stand' });
  await expect(standing).toContainText('on this disk, which may fail with it');
  const before = (await must(page, 'GET', '/backups')).items.length;
  await page.getByRole('button', { name: 'Back up now' }).click();
  await expect(standing).toContainText('Last proved that it can be restored', { timeout: 60_000 });
  const { items } = await must(page, 'GET', '/backups');
  expect(items.length).toBe(before + 1);
  expect(items[0].proof.ok).toBe(true);

  const rows = page.getByRole('table', { name: 'Backups, newest first' }).getByRole('row');
  await rows.nth(1).getByRole('link').click();
  const sheet = page.getByRole('dialog');
  await expect(sheet).toContainText(items[0].id);
  await expect(sheet).toContainText(ready.accounts[0]!.address);
  await expect(sheet.getByRole('region', { name: 'The proof' }).getByRole('listitem')).toHaveCount(items[0].proof.steps.length);
  await expect(sheet).toContainText(`mailstead restore account ADDRESS --backup ${items[0].id}`);
  const proof = items[0].proof.at;
  await sheet.getByRole('button', { name: 'Prove it now' }).click();
  await expect(async () => expect((await must(page, 'GET', '/backups')).items[0].proof.at).not.toBe(proof)).toPass({ timeout: 60_000 });
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await axe.serious()).toEqual([]);
  }
  await page.keyboard.press('Escape');
  await expect(sheet).toHaveCount(0);
  expect(await axe.serious()).toEqual([]);
  await page.setViewportSize({ width: 390, height: 844 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
  await page.setViewportSize({ width: 1280, height: 800 });

  await rows.nth(1).getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await expect(page.getByText('The backup is removed.')).toBeVisible();
  expect((await must(page, 'GET', '/backups')).items.map((one: { id: string }) => one.id)).not.toContain(items[0].id);
});

/** Makes a backup and returns its ID. */
async function backUp(page: Page): Promise<string> {
  const { job } = await must(page, 'POST', '/backups');
  let done: { state: string; result: { run: { id: string } } } | undefined;
  await expect(async () => {
    done = await must(page, 'GET', `/jobs/${job}`);
    expect(done!.state).toBe('done');
  }).toPass({ timeout: 60_000 });
  return done!.result.run.id;
}

test('an owner looks into a backup, and brings a message and a removed account back', async ({ page, server, axe }) => {
  test.setTimeout(120_000);
  const { ready } = server;
  const bob = ready.accounts[1];
  const ruth = { address: 'ruth@example.test', password: 'a long walk by the harbour wall' };
  await signIn(page, ready.admin.user, ready.admin.password);
  await page.waitForURL('**/admin/');
  await must(page, 'POST', '/accounts', ruth);
  for (const subject of ['Offer for the roof', 'Minutes of Tuesday', 'Train on Friday']) {
    expect(await submit(ready, bob!, ruth.address, `From: Bob B. <${bob!.address}>\nTo: <${ruth.address}>\nSubject: ${subject}\n\nHello`)).toMatch(/^250/);
    await expect(async () => expect(await inbox(ready, ruth)).toContain(subject)).toPass(); // before the next, for their order
  }
  const roof = (await imap(ready, ruth, 'SELECT INBOX', 'UID SEARCH SUBJECT roof')).find((line) => line.startsWith('* SEARCH '))!.split(' ')[2];
  await imap(ready, ruth, 'CREATE Kept', 'SELECT INBOX', `UID COPY ${roof} Kept`); // where it has the same number
  await must(page, 'POST', '/aliases', { address: 'sales@example.test', targets: [bob!.address] });
  const id = await backUp(page);
  await imap(ready, ruth, 'SELECT INBOX', `UID STORE ${roof} +FLAGS (\\Deleted)`, 'EXPUNGE');
  expect(await inbox(ready, ruth)).not.toContain('roof');
  await must(page, 'DELETE', `/accounts/${bob!.address}`);

  await page.goto(`/admin/system/backups?backup=${id}`);
  await page.getByRole('dialog').getByRole('link', { name: ruth.address }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(ruth.address);
  const mailboxes = page.getByRole('navigation', { name: 'Mailboxes' });
  await expect(mailboxes.getByRole('link', { name: 'INBOX' })).toContainText('3');
  const rows = page.getByRole('table', { name: 'Messages in the backup' }).getByRole('row');
  await expect(rows).toHaveCount(4);
  await expect(rows.nth(1)).toContainText(`Train on Friday Bob B. <${bob!.address}>`); // the newest first
  await page.getByRole('searchbox', { name: 'Subject or sender' }).fill('ROOF');
  await expect(rows).toHaveCount(2);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await axe.serious()).toEqual([]);
  }
  await page.setViewportSize({ width: 390, height: 844 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
  await page.setViewportSize({ width: 1280, height: 800 });

  await page.getByRole('checkbox', { name: 'Choose “Offer for the roof”' }).check();
  await mailboxes.getByRole('link', { name: 'Kept' }).click(); // the search goes along, the choice does not
  await expect(page.getByRole('button', { name: 'Bring back what is found' })).toBeEnabled();
  await expect(rows).toHaveCount(2);
  await expect(page.getByRole('checkbox', { name: 'Choose “Offer for the roof”' })).not.toBeChecked();
  await mailboxes.getByRole('link', { name: 'INBOX' }).click();
  await page.getByRole('checkbox', { name: 'Choose “Offer for the roof”' }).check();
  await page.getByRole('button', { name: 'Bring back 1 message' }).click();
  const sheet = page.getByRole('dialog', { name: 'Bring back' });
  await expect(sheet).toContainText('1 message of INBOX');
  await sheet.getByRole('radio', { name: 'One mailbox, to look through it first' }).check();
  const look = sheet.getByRole('button', { name: 'See what would be added' });
  await look.click();
  await expect(sheet.getByRole('region', { name: 'What would happen' })).toContainText(/1 message \(.*\) would be added\..*Restored.*a new mailbox/s);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await axe.serious()).toEqual([]);
  }
  await sheet.getByRole('radio', { name: 'The mailboxes where it was' }).check();
  await expect(sheet.getByRole('region', { name: 'What would happen' })).toHaveCount(0); // it was about other fields
  await look.click();
  await sheet.getByRole('button', { name: 'Bring 1 message back' }).click();
  await expect(sheet).toContainText(/1 message \(.*\) was added\./);
  expect(await inbox(ready, ruth)).toContain('roof');
  await sheet.getByRole('button', { name: 'Close', exact: true }).last().click();
  await page.getByRole('button', { name: 'Bring back the whole account' }).click();
  await look.click();
  await expect(sheet).toContainText('Nothing is missing. 4 are there already, octet for octet.');
  await page.keyboard.press('Escape');

  await page.goto(`/admin/system/backups/${id}/${bob!.address}`);
  await page.getByRole('button', { name: 'Bring back the whole account' }).click();
  await expect(sheet).toContainText(`There is no account ${bob!.address} any more.`);
  await look.click();
  await expect(sheet).toContainText(`The account ${bob!.address} would be added.`);
  await expect(sheet).toContainText('aliases: sales@example.test');
  await sheet.getByRole('button', { name: /^(Add the account|Bring \d+ messages? back)$/ }).click();
  await expect(sheet).toContainText('its password');
  await expect(sheet.getByRole('link', { name: `Look at ${bob!.address}` })).toBeVisible();
  await imap(ready, bob!, 'SELECT INBOX'); // with the password of before
  expect((await must(page, 'GET', '/aliases/sales@example.test')).targets).toEqual([bob!.address]);
});

test('a helper of the server sees no backups', async ({ page, server }) => {
  const { ready } = server;
  const password = 'a long walk by the harbour wall';
  await signIn(page, ready.admin.user, ready.admin.password);
  await page.waitForURL('**/admin/');
  await must(page, 'POST', '/accounts', { address: 'bruno@example.test', password, role: 'support' });
  await page.context().clearCookies();
  await signIn(page, 'bruno@example.test', password, '/account/sign-in');
  await page.waitForURL(/\/(admin|account)\/(?!sign-in)/);
  await page.goto('/admin/system');
  await expect(page.getByRole('navigation', { name: 'System' })).toBeVisible();
  await expect(page.getByRole('link', { name: 'Backups' })).toHaveCount(0);
  for (const [method, path] of [['GET', '/backups'], ['POST', '/backups'], ['POST', '/backups:key']] as const) expect((await call(page, method, path)).status, path).toBe(403);
});
