import { call, must } from './api';
import { expect, signIn, test } from './fixtures';
import { inbox } from './imap';
import { honest, hopeless } from './mails';
import { receive } from './smtp';

// Lists of whom to allow and whom to block: filled from a refusal or by hand, by admins and by people for themselves.

test('allowing the sender of a refused message lets the next one in', async ({ page, server, axe }) => {
  const { ready } = server;
  const [alice] = ready.accounts;
  const from = 'uncle@stranger.test';
  const send = (subject: string) => receive(ready, from, alice!.address, hopeless({ from, to: alice!.address, subject }));
  expect(await send('REFUSED AT FIRST')).toMatch(/^550 5\.7\.1/);

  await signIn(page, ready.admin.user, ready.admin.password);
  await page.waitForURL('**/admin/');
  await page.goto('/admin/mail/refusals');
  await page.getByRole('row').filter({ hasText: from }).getByRole('link').first().click();
  await page.getByRole('button', { name: 'Allow this sender' }).click();
  const dialog = page.getByRole('dialog', { name: 'Allow this sender' });
  await expect(dialog.getByRole('radio', { name: `For ${alice!.address}` })).toBeChecked();
  await expect(dialog.getByRole('radio', { name: 'For the whole server' })).toBeVisible();
  expect(await axe.serious()).toEqual([]);
  await dialog.getByRole('button', { name: 'Allow', exact: true }).click();
  await expect(page.getByText(`${from} is allowed from now on.`)).toBeVisible();

  expect(await send('IN AT LAST')).toMatch(/^250/);
  await expect(async () => expect(await inbox(ready, alice!)).toContain('IN AT LAST')).toPass();
  expect(await inbox(ready, alice!)).not.toContain('REFUSED AT FIRST');

  await page.goto(`/admin/people/${alice!.address}/junk`);
  await expect(page.getByRole('row').filter({ hasText: from })).toContainText('Allowed');
  expect(await axe.serious()).toEqual([]);
  await page.getByRole('button', { name: `Remove ${from}` }).click();
  await expect(page.getByText(`${from} is off the list.`)).toBeVisible();
  expect(await send('REFUSED AGAIN')).toMatch(/^550 5\.7\.1/);
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(page.getByRole('row').filter({ hasText: from })).toBeVisible();
  expect(await send('IN ONCE MORE')).toMatch(/^250/);
});

test('people keep a list of their own, and allow from their refusals', async ({ page, server, axe }) => {
  const { ready } = server;
  const [, bob] = ready.accounts;
  const send = (from: string, subject: string) => receive(ready, from, bob!.address, honest({ from, to: bob!.address, subject }));
  expect(await receive(ready, 'aunt@stranger.test', bob!.address, hopeless({ from: 'aunt@stranger.test', to: bob!.address, subject: 'HOPELESS' }))).toMatch(/^550/);
  await signIn(page, bob!.address, bob!.password, '/account/sign-in');
  await page.getByRole('link', { name: 'Held back' }).click();

  await page.getByRole('button', { name: 'Allow this sender: aunt@stranger.test' }).click();
  await expect(page.getByText('aunt@stranger.test is allowed from now on.')).toBeVisible();
  const list = page.getByRole('region', { name: 'Whom you allow and block' });
  await expect(list.getByRole('row').filter({ hasText: 'aunt@stranger.test' })).toContainText('Allowed');

  await list.getByLabel('Their mail is').selectOption('block');
  await list.getByLabel('Person, domain or network').fill('not a thing/');
  await list.getByRole('button', { name: 'Add' }).click();
  await expect(list.getByText(/is no network/)).toBeVisible();
  await list.getByLabel('Person, domain or network').fill('@pest.test');
  await list.getByLabel('Note').fill('never asked for');
  await list.getByRole('button', { name: 'Add' }).click();
  await expect(list.getByRole('row').filter({ hasText: '@pest.test' })).toContainText('Blocked');
  await expect(list.getByRole('row').filter({ hasText: '@pest.test' })).toContainText('never asked for');
  expect(await axe.serious()).toEqual([]);
  expect(await send('mia@pest.test', 'Blocked by hand')).toMatch(/^550 5\.7\.1/);
  expect(await inbox(ready, bob!)).not.toContain('Blocked by hand');
  expect((await call(page, 'GET', '/lists')).status).toBe(403);
});

test('only those who run the server change its list', async ({ page, server }) => {
  const { ready } = server;
  await server.run('domain', 'add', 'annex.test');
  await signIn(page, ready.admin.user, ready.admin.password);
  await page.waitForURL('**/admin/');
  const password = 'four green boats at noon';
  await must(page, 'POST', '/accounts', { address: 'dora@annex.test', password, role: 'domain-admin', domains: ['annex.test'] });
  await page.goto('/admin/mail/junk');
  await page.getByLabel('Their mail is').selectOption('block');
  await page.getByLabel('Person, domain or network').fill('203.0.113.0/24');
  await page.getByRole('button', { name: 'Add' }).click();
  await expect(page.getByRole('row').filter({ hasText: '203.0.113.0/24' })).toContainText('Network');

  await must(page, 'DELETE', '/session');
  await signIn(page, 'dora@annex.test', password);
  await page.waitForURL('**/admin/');
  await page.goto('/admin/mail');
  await expect(page.getByRole('link', { name: 'Quarantine' })).toBeVisible();
  await expect(page.getByRole('link', { name: 'Junk rules' })).toHaveCount(0);
  const entry = { kind: 'allow', entry: 'x@y.test' };
  expect((await call(page, 'PUT', '/lists', entry)).status).toBe(403);
  expect((await call(page, 'PUT', '/lists?domain=example.test', entry)).status).toBe(404);
  expect((await call(page, 'PUT', '/lists?account=bob@example.test', entry)).status).toBe(404);
  await page.goto('/admin/domains/annex.test/junk');
  await page.getByLabel('Person, domain or network').fill('@friends.test');
  await page.getByRole('button', { name: 'Add' }).click();
  await expect(page.getByRole('row').filter({ hasText: '@friends.test' })).toContainText('Allowed');
});
