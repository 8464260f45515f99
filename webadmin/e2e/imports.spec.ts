import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must } from './api';
import { expect, signIn, test } from './fixtures';
import { fingerprint, imap, inbox } from './imap';
import { port, type Ready } from './server';

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

// Gives alice a message with a subject.
const append = (ready: Ready, subject: string) => {
  const text = `Subject: ${subject}\r\n\r\nhello\r\n`;
  return imap(ready, ready.accounts[0]!, `APPEND INBOX {${text.length}+}\r\n${text}`);
};

test('many accounts come from a list, and all are run again for what is new', async ({ page, server, axe }) => {
  const { ready } = server;
  const [alice] = ready.accounts;
  await append(ready, 'BEFORE THE MOVE');
  await signIn(page, ready.admin.user, ready.admin.password);
  await page.waitForURL('**/admin/');
  for (const name of ['ida', 'ivo']) await must(page, 'POST', '/accounts', { address: `${name}@example.test`, password });
  await page.goto('/admin/system/imports');
  await page.getByRole('link', { name: 'Many accounts' }).first().click();
  const from = page.getByRole('region', { name: 'The server they come from' });
  await from.getByRole('textbox', { name: 'Server' }).fill('127.0.0.1');
  await page.getByLabel('Port').fill(String(port(ready.imaps)));
  await page.getByLabel('Fingerprint').fill(await fingerprint(ready));
  await page.getByLabel('One account a line').fill(`ida@example.test,${alice!.address},${alice!.password}\nivo@example.test,${alice!.address},wrong\nghost@example.test,x,y`);
  await page.getByRole('button', { name: 'See what comes of it' }).click();
  await expect(page.getByText('2 imports can begin, 1 line cannot')).toBeVisible();
  await expect(page.getByRole('row').nth(1)).toContainText('ghost@example.test');
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await axe.serious()).toEqual([]);
  }
  await page.getByRole('button', { name: 'Begin 2 imports' }).click();
  await page.waitForURL('**/admin/system/imports');
  const group = page.getByRole('region', { name: `127.0.0.1:${port(ready.imaps)}` });
  await expect(group).toContainText('1 of 2 done · 1 failed');
  await expect(page.getByRole('row').filter({ hasText: 'ivo@example.test' })).toContainText('does not get in');
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await axe.serious()).toEqual([]);
  }

  await append(ready, 'AFTER THE MOVE');
  await group.getByRole('button', { name: 'Run all again' }).click();
  await expect(page.getByText('2 imports run again.')).toBeVisible();
  await expect.poll(() => inbox(ready, { address: 'ida@example.test', password })).toContain('AFTER THE MOVE');
  await expect(group).toContainText('1 of 2 done · 1 failed');
  await page.getByRole('button', { name: 'Failed 1' }).click();
  await expect(page.getByRole('row')).toHaveCount(2);

  await group.getByRole('button', { name: 'More for' }).click();
  await page.getByRole('menuitem', { name: 'Forget 2 with their passwords' }).click();
  await page.getByRole('button', { name: 'Forget with passwords' }).click();
  await expect(page.getByText('2 imports are forgotten. Their mail stays.')).toBeVisible();
  await expect(group).toHaveCount(0);
  expect(await inbox(ready, { address: 'ida@example.test', password })).toContain('BEFORE THE MOVE');
});

test('hundreds of imports stay readable, move by themselves, and stop together', async ({ page, server, axe }) => {
  const { ready } = server;
  await signIn(page, ready.admin.user, ready.admin.password);
  await page.waitForURL('**/admin/');
  await page.goto('/admin/system/imports');
  await expect(page.getByText('No mail was brought in yet').or(page.getByRole('table'))).toBeVisible();
  // Nobody answers there: two wait for the server, the others for those two.
  const many = 150;
  const text = Array.from({ length: many }, (_, n) => `${ready.accounts[1]!.address},user${n},secret`).join('\n');
  await must(page, 'POST', '/imports:bulk', { text, source: { host: '127.0.0.1', port: 1, tls: 'none' } });
  const group = page.getByRole('region', { name: '127.0.0.1:1' });
  await expect(group).toContainText(`0 of ${many} done · 2 run · ${many - 2} wait`);
  await expect(page.getByText(/^100 of 15\d shown$/)).toBeVisible();
  await page.getByRole('searchbox').fill('user149');
  await expect(page.getByRole('row')).toHaveCount(2);
  await page.getByRole('searchbox').fill('');
  expect(await axe.serious()).toEqual([]);
  await group.getByRole('button', { name: 'Stop all' }).click();
  await expect(page.getByText(`${many} imports stop.`)).toBeVisible();
  await expect(group).toContainText(`0 of ${many} done · ${many} stopped`);
  await must(page, 'POST', '/imports:remove', { server: '127.0.0.1:1' });
  await expect(group).toHaveCount(0);
});

test('who chooses a provider is told what opens it', async ({ page, server }) => {
  const { ready } = server;
  await signIn(page, ready.admin.user, ready.admin.password);
  await page.waitForURL('**/admin/');
  await page.goto('/admin/system/imports');
  await page.getByRole('button', { name: 'Bring mail in' }).first().click();
  const dialog = page.getByRole('dialog', { name: 'Bring mail in' });
  await dialog.getByLabel('Provider').selectOption({ label: 'Gmail, Google Workspace' });
  await expect(dialog).toContainText('myaccount.google.com/apppasswords');
  await expect(dialog.getByLabel('Password there')).toBeVisible();
  await dialog.getByLabel('Provider').selectOption({ label: 'Microsoft 365, Exchange Online' });
  await expect(dialog.getByLabel('Server', { exact: true })).toHaveValue('outlook.office365.com');
  await dialog.getByLabel('Server', { exact: true }).fill('127.0.0.1');
  await dialog.getByLabel('Port').fill(String(port(ready.imaps)));
  await dialog.getByLabel('Fingerprint').fill(await fingerprint(ready));
  await dialog.getByLabel('User there').fill('alice@example.test');
  await dialog.getByLabel('OAuth token').fill('not a token of ours');
  await dialog.getByLabel('Account here').fill('bob@example.test');
  await dialog.getByRole('button', { name: 'Begin' }).click();
  const sheet = page.getByRole('dialog', { name: 'bob@example.test' });
  await expect(sheet).toContainText('does not get in');
  expect(JSON.stringify(await must(page, 'GET', '/imports'))).not.toContain('not a token of ours');
});

test('the people of another mail system come from its own list', async ({ page, server, axe }) => {
  const { ready } = server;
  await signIn(page, ready.admin.user, ready.admin.password);
  await page.waitForURL('**/admin/');
  await page.goto('/admin/people/import');
  await page.getByRole('button', { name: 'Another system' }).click();
  await page.getByRole('textbox', { name: 'The list' }).fill(
    JSON.stringify([
      { domain: 'moved.test', users: [{ email: 'iris@moved.test', status: 'active' }, { email: 'old@moved.test', status: 'inactive' }] },
      { domain: 'moved.test', aliases: [{ address: 'info@moved.test', forwards_to: ['iris@moved.test'] }] },
    ]),
  );
  await page.getByRole('button', { name: 'See what comes of it' }).click();
  await expect(page.getByText('2 are refused')).toBeVisible();
  await page.getByLabel('Also add domains that are missing').check();
  await page.getByRole('button', { name: 'See what comes of it' }).click();
  await expect(page.getByText('3 would be made')).toBeVisible();
  await expect(page.getByRole('row').filter({ hasText: 'old@moved.test' })).toContainText('archived in Mail-in-a-Box');
  expect(await axe.serious()).toEqual([]);
  await page.getByRole('button', { name: 'Make 3' }).click();
  await expect(page.getByRole('row').filter({ hasText: 'info@moved.test' })).toContainText('Made');
  await expect(page.getByRole('button', { name: 'Copy all links' })).toBeVisible();
  expect((await must(page, 'GET', '/accounts/iris@moved.test')).address).toBe('iris@moved.test');
});
