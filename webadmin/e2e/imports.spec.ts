import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must } from './api';
import { expect, signIn, test } from './fixtures';
import { inbox } from './imap';

// Mail from other systems: begun in the console, watched, and run again.

const password = 'nine quiet lamps at dusk';

// A Maildir where the console may look for one.
function maildir(data: string, name: string, messages: number): void {
  for (const folder of ['cur', '.Sent/cur']) mkdirSync(join(data, 'imports/files', name, folder), { recursive: true });
  for (let n = 0; n < messages; n++) {
    writeFileSync(join(data, 'imports/files', name, n % 4 ? 'cur' : '.Sent/cur', `${1_200_000_000 + n}.M${n}.old:2,S`), `From: x@far.example\nSubject: OLD LETTER ${n}\n\n${'text '.repeat(200)}\n`);
  }
  writeFileSync(join(data, 'imports/files', name, 'cur/1300000000.empty'), '');
}

test('an owner brings a Maildir in, looks at it, and runs it again', async ({ page, server, axe }) => {
  const { ready } = server;
  maildir(ready.data, 'imogen', 400);
  await signIn(page, ready.admin.user, ready.admin.password);
  await page.waitForURL('**/admin/');
  await must(page, 'POST', '/accounts', { address: 'imogen@example.test', password });
  await page.goto('/admin/system/imports');
  await page.getByRole('button', { name: 'Bring mail in' }).first().click();
  const dialog = page.getByRole('dialog', { name: 'Bring mail in' });
  await dialog.getByRole('button', { name: 'Maildir' }).click();
  await dialog.getByLabel('Where it is').fill('/etc');
  await dialog.getByLabel('Account here').fill('imogen@example.test');
  await dialog.getByRole('button', { name: 'Begin' }).click();
  await expect(dialog).toContainText('copy it there first');
  expect(await axe.serious()).toEqual([]);
  await dialog.getByLabel('Where it is').fill('imogen');
  await dialog.getByRole('button', { name: 'Begin' }).click();

  const sheet = page.getByRole('dialog', { name: 'imogen@example.test' });
  await expect(sheet).toContainText('Done, 1 left out');
  await expect(sheet).toContainText('400 messages read again and the same');
  await expect(sheet.getByRole('row').filter({ hasText: 'Sent' })).toContainText('100');
  await expect(sheet.getByRole('region', { name: 'What could not be brought in as it is' })).toContainText('it is empty');
  expect(await axe.serious()).toEqual([]);
  expect(await inbox(ready, { address: 'imogen@example.test', password })).toContain('OLD LETTER 399');

  await sheet.getByRole('button', { name: 'Run again' }).click();
  await expect(sheet.getByText('Here before').locator('xpath=following-sibling::dd[1]')).toHaveText('400');
  await expect(sheet).toContainText('Done, 1 left out');
  await page.keyboard.press('Escape');
  await expect(page.getByRole('row').filter({ hasText: 'imogen@example.test' })).toContainText('401 of 401 messages');
});

test('a server that does not answer is told, and the password never comes back', async ({ page, server }) => {
  const { ready } = server;
  await signIn(page, ready.admin.user, ready.admin.password);
  await page.waitForURL('**/admin/');
  await must(page, 'POST', '/accounts', { address: 'ines@example.test', password });
  await page.goto('/admin/system/imports');
  await page.getByRole('button', { name: 'Bring mail in' }).first().click();
  const dialog = page.getByRole('dialog', { name: 'Bring mail in' });
  await dialog.getByLabel('Server', { exact: true }).fill('127.0.0.1');
  await dialog.getByLabel('Port').fill(ready.imaps.split(':')[1]!);
  await dialog.getByLabel('User there').fill('nobody');
  await dialog.getByLabel('Password there').fill('five tall ships');
  await dialog.getByLabel('Account here').fill('ines@example.test');
  await dialog.getByLabel('Fingerprint').fill('00'.repeat(32));
  await dialog.getByRole('button', { name: 'Begin' }).click();
  const sheet = page.getByRole('dialog', { name: 'ines@example.test' });
  await expect(sheet).toContainText('its certificate is not valid');
  expect(JSON.stringify(await must(page, 'GET', '/imports'))).not.toContain('five tall ships');
  await sheet.getByRole('button', { name: 'Forget with its password' }).click();
  await expect(page.getByText('The import is forgotten. Its mail stays.')).toBeVisible();
  await expect(page.getByRole('row').filter({ hasText: 'ines@example.test' })).toHaveCount(0);
});
