import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { must } from './api';
import { expect, signIn, test } from './fixtures';
import { honest } from './mails';
import { receive, submit } from './smtp';

// Alerts and webhooks: who is told, tests from the page, and what a web server on this computer gets.

let web: Server;
let got: string[];
test.beforeEach(async () => {
  got = [];
  web = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      got.push(`${request.url} ${body}`);
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((done) => web.listen(0, '127.0.0.1', done));
});
test.afterEach(() => web.close());
const at = (path: string) => `http://127.0.0.1:${(web.address() as AddressInfo).port}${path}`;

test('somebody outside is told of alerts, and a test gets there', async ({ page, server, axe }) => {
  const { ready } = server;
  await signIn(page, ready.admin.user, ready.admin.password);
  await page.waitForURL('**/admin/');
  await must(page, 'PUT', '/settings/push.private-networks', { value: 'true' });
  await page.goto('/admin/system/alerts');
  await expect(page.getByText('Nobody is told when something is wrong.')).toBeVisible();
  await page.getByRole('button', { name: 'Tell somebody' }).click();
  const dialog = page.getByRole('dialog', { name: 'Tell somebody of alerts' });
  await dialog.getByLabel('Address').fill('alice@example.test');
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(dialog.getByText(/is on this server/)).toBeVisible();
  await dialog.getByLabel('Address').fill('ops@bigmail.test');
  expect(await axe.serious()).toEqual([]);
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(page.getByRole('row').filter({ hasText: 'ops@bigmail.test' })).toContainText('with the daily mail');

  await page.getByRole('button', { name: 'Tell somebody' }).click();
  await dialog.getByLabel('By').selectOption('ntfy');
  await dialog.getByLabel('Web address').fill(at('/topic'));
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByRole('button', { name: `Send a test to ${at('/topic')}` }).click();
  await expect(page.getByText(`A test was sent to ${at('/topic')}.`)).toBeVisible();
  expect(got[0]).toContain('"topic":"topic"');
  expect(await axe.serious()).toEqual([]);
  for (const to of ['ops@bigmail.test', at('/topic')]) {
    await page.getByRole('button', { name: `Remove ${to}` }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
    await expect(page.getByRole('row').filter({ hasText: to })).toHaveCount(0);
  }
});

test('an alert is shown with what to do, is muted and no longer, and is over', async ({ page, server, axe }) => {
  const { ready } = server;
  const [alice] = ready.accounts;
  await signIn(page, ready.admin.user, ready.admin.password);
  await page.waitForURL('**/admin/');
  await must(page, 'PUT', '/settings/alerts.clear', { value: '0s' });
  await submit(ready, alice!, 'office@slow.test', honest({ from: alice!.address, to: 'office@slow.test', subject: 'It waits' }));
  await page.goto('/admin/system/alerts');
  const now = page.getByRole('region', { name: 'Wrong now' });
  await expect(now).toBeVisible();
  await must(page, 'PUT', '/settings/alerts.queue-size', { value: '1' }); // the page is told
  const alert = now.locator('details').filter({ hasText: 'Queue' });
  await alert.locator('summary').click();
  await expect(alert.getByText(/waiting; 1 or more is too many/)).toBeVisible();
  await expect(alert.getByRole('link', { name: 'Fix this' })).toHaveAttribute('href', '/admin/mail/queue');
  expect(await axe.serious()).toEqual([]);

  await alert.getByRole('button', { name: 'Mute' }).click();
  await page.getByRole('menuitem', { name: 'For a week' }).click();
  await expect(alert.locator('summary')).toContainText('muted');
  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(alert.locator('summary')).toContainText('since');

  await must(page, 'PUT', '/settings/alerts.queue-size', { value: '0' });
  await expect(page.getByRole('region', { name: 'Over' }).locator('details').filter({ hasText: 'Queue' }).locator('summary')).toContainText('Over');
  await expect(alert).toHaveCount(0);
});

test('a webhook is made, told of a message, and what it was told can be seen', async ({ page, server, axe }) => {
  const { ready } = server;
  const [alice] = ready.accounts;
  await signIn(page, ready.admin.user, ready.admin.password);
  await page.waitForURL('**/admin/');
  await must(page, 'PUT', '/settings/push.private-networks', { value: 'true' });
  await page.goto('/admin/system/webhooks');
  await page.getByRole('button', { name: 'Add a webhook' }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Web address').fill(at('/hook'));
  await dialog.getByLabel('a message came from outside').check();
  expect(await axe.serious()).toEqual([]);
  await dialog.getByRole('button', { name: 'Add the webhook' }).click();
  await expect(dialog.getByText(/whsec_/)).toBeVisible();
  await dialog.getByRole('button', { name: 'Done' }).click();
  const row = page.getByRole('row').filter({ hasText: at('/hook') });
  await expect(row).toContainText('Works');

  expect(await receive(ready, 'pen@friend.test', alice!.address, honest({ from: 'pen@friend.test', to: alice!.address, subject: 'FOR THE WEBHOOK' }))).toMatch(/^250/);
  await expect(() => expect(got.find((g) => g.startsWith('/hook') && g.includes('message.received') && g.includes('pen@friend.test'))).toBeTruthy()).toPass();
  expect(got.join()).not.toContain('FOR THE WEBHOOK');
  await row.getByRole('button', { name: 'What ' }).click();
  const told = page.getByRole('dialog', { name: 'What it was told' });
  await told.getByText('message.received').first().click();
  await expect(told.getByText('204')).toBeVisible();
  expect(await axe.serious()).toEqual([]);
  const before = got.length;
  await told.getByRole('button', { name: 'Send again', exact: true }).click();
  await expect(() => expect(got.length).toBeGreaterThan(before)).toPass();
  await told.getByRole('button', { name: 'Done' }).click();
  await row.getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await expect(page.getByText('No webhooks')).toBeVisible();
});
