import type { Page } from '@playwright/test';
import { call, must } from './api';
import { expect, signIn, test } from './fixtures';
import { inbox } from './imap';
import { suspicious } from './mails';
import type { Login, Ready } from './server';
import { receive } from './smtp';

// Mail that is kept from its mailbox: who sees it, why it is there, and how it comes out again.

async function quarantine(ready: Ready, to: Login, subject: string) {
  expect(await receive(ready, 'help@stranger.test', to.address, suspicious({ to: to.address, subject }))).toMatch(/^250/);
}

const row = (page: Page, text: string) => page.getByRole('row').filter({ hasText: text });

test('an admin reads why, and releases into the mailbox', async ({ page, server, axe }) => {
  const { ready } = server;
  const [alice] = ready.accounts;
  await quarantine(ready, alice!, 'SEE THE INVOICE');
  expect(await inbox(ready, alice!)).not.toContain('SEE THE INVOICE');

  await signIn(page, ready.admin.user, ready.admin.password);
  await page.waitForURL('**/admin/');
  await page.goto('/admin/mail/quarantine');
  await expect(row(page, 'SEE THE INVOICE')).toContainText('help@stranger.test');
  await expect(row(page, 'SEE THE INVOICE')).toContainText(alice!.address);
  expect(await axe.serious()).toEqual([]);

  await row(page, 'SEE THE INVOICE').getByRole('link').focus();
  await page.keyboard.press('Enter');
  const sheet = page.getByRole('dialog', { name: 'Message in quarantine' });
  const reasons = sheet.getByRole('list', { name: 'Parts of the score' });
  await expect(reasons).toContainText('An attachment is a program with the name of a document.');
  const parts = (await reasons.locator('.points').allTextContents()).map((text) => Number(text.replace('\u2212', '-')));
  const sum = parts.slice(0, -1).reduce((all, part) => all + part, 0);
  expect(Math.abs(sum - parts.at(-1)!), 'the parts make the score').toBeLessThan(0.3); // each is rounded
  expect(parts.at(-1)).toBeGreaterThanOrEqual(10);
  expect(await axe.serious()).toEqual([]);

  await sheet.getByRole('link', { name: 'Whole story' }).click();
  await page.waitForURL('**/admin/mail/message/*');
  const verdict = page.getByRole('region', { name: `Verdict for ${alice!.address}` });
  await expect(verdict).toContainText('Quarantine');
  await expect(verdict).toContainText('Decided by the score.');
  await expect(verdict.getByRole('list', { name: 'Parts of the score' })).toContainText('An attachment is a program with the name of a document.');
  await page.goBack();

  await page.getByRole('dialog').getByRole('button', { name: 'Release', exact: true }).click();
  await expect(page.getByText('The message is in the inbox.')).toBeVisible();
  await expect(row(page, 'SEE THE INVOICE')).toHaveCount(0);
  expect(await inbox(ready, alice!)).toContain('SEE THE INVOICE');
});

test('people see and release their own, and no other', async ({ page, server, axe }) => {
  const { ready } = server;
  const [alice, bob] = ready.accounts;
  await quarantine(ready, bob!, 'FOR BOB');
  await quarantine(ready, alice!, 'FOR ALICE');

  await signIn(page, bob!.address, bob!.password, '/account/sign-in');
  await expect(page.getByRole('heading', { name: 'Mail programs' })).toBeVisible();
  await page.getByRole('link', { name: 'Held back' }).click();
  await expect(row(page, 'FOR BOB')).toBeVisible();
  await expect(page.getByText('FOR ALICE')).toHaveCount(0);
  expect(await axe.serious()).toEqual([]);
  await row(page, 'FOR BOB').getByRole('link').click();
  const sheet = page.getByRole('dialog', { name: 'Message in quarantine' });
  await expect(sheet).toContainText('Open the invoice.');
  await expect(sheet.getByRole('list', { name: 'Parts of the score' })).toContainText('An attachment is a program');
  await sheet.getByRole('button', { name: 'Release', exact: true }).click();
  await expect(page.getByText('The message is in the inbox.')).toBeVisible();
  await expect(page.getByText('Nothing is in quarantine')).toBeVisible();
  expect(await inbox(ready, bob!)).toContain('FOR BOB');
  expect((await call(page, 'GET', '/quarantine')).status).toBe(403);
});

test('several are deleted at once, after a question', async ({ page, server }) => {
  const { ready } = server;
  const [, bob] = ready.accounts;
  for (const n of [1, 2, 3]) await quarantine(ready, bob!, `UNWANTED ${n}`);
  await signIn(page, ready.admin.user, ready.admin.password);
  await page.waitForURL('**/admin/');
  await page.goto(`/admin/mail/quarantine?q=${bob!.address}`);
  await expect(row(page, 'UNWANTED')).toHaveCount(3);
  await page.getByRole('checkbox', { name: 'Choose all shown' }).check();
  await page.getByRole('button', { name: 'Delete' }).click();
  const question = page.getByRole('dialog', { name: 'Delete 3 messages?' });
  await question.getByRole('button', { name: 'Go back' }).click();
  await expect(row(page, 'UNWANTED')).toHaveCount(3);
  await page.getByRole('button', { name: 'Delete' }).click();
  await question.getByRole('button', { name: 'Delete 3 messages' }).click();
  await expect(page.getByText('3 messages are deleted.')).toBeVisible();
  await expect(page.getByText('Nothing is in quarantine')).toBeVisible();
  expect(await inbox(ready, bob!)).not.toContain('UNWANTED');
});

test('support sees that something waits, without its subject, and changes nothing', async ({ page, server }) => {
  const { ready } = server;
  const [, bob] = ready.accounts;
  await quarantine(ready, bob!, 'A SECRET OFFER');
  await signIn(page, ready.admin.user, ready.admin.password);
  await page.waitForURL('**/admin/');
  await must(page, 'POST', '/accounts', { address: 'quentin@example.test', password: 'four green boats at noon', role: 'support' });
  await must(page, 'DELETE', '/session');
  await signIn(page, 'quentin@example.test', 'four green boats at noon');
  await page.waitForURL('**/admin/');
  await page.goto('/admin/mail/quarantine');
  await expect(row(page, bob!.address)).toHaveCount(1);
  await expect(page.getByText('A SECRET OFFER')).toHaveCount(0);
  await expect(page.getByRole('checkbox')).toHaveCount(0);
  await row(page, bob!.address).getByRole('link').click();
  await expect(page.getByRole('dialog').getByRole('list', { name: 'Parts of the score' })).toBeVisible();
  await expect(page.getByRole('dialog').getByRole('button', { name: 'Release' })).toHaveCount(0);
  const { items } = await must(page, 'GET', '/quarantine');
  for (const verb of ['release', 'delete']) expect((await call(page, 'POST', `/quarantine:${verb}`, { ids: [items[0].id] })).status, verb).toBe(403);
});

test('releasing and allowing the sender lets the next one in', async ({ page, server }) => {
  const { ready } = server;
  const [alice] = ready.accounts;
  const send = (subject: string) => receive(ready, 'mo@stranger.test', alice!.address, suspicious({ from: 'mo@stranger.test', to: alice!.address, subject }));
  expect(await send('ODD BUT WANTED')).toMatch(/^250/);
  await signIn(page, alice!.address, alice!.password, '/account/sign-in');
  await page.getByRole('link', { name: 'Held back' }).click();
  await row(page, 'ODD BUT WANTED').getByRole('link').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Release and allow this sender' }).click();
  await expect(page.getByText('The message is in the inbox.')).toBeVisible();
  await expect(row(page, 'mo@stranger.test').filter({ hasText: 'Allowed' })).toBeVisible();
  expect(await send('THE NEXT ONE')).toMatch(/^250/);
  await expect(async () => expect(await inbox(ready, alice!)).toMatch(/ODD BUT WANTED[^]*THE NEXT ONE/)).toPass();
});
