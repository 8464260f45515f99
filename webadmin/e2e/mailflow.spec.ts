import type { Page } from '@playwright/test';
import { expect, signIn, test } from './fixtures';
import type { Ready } from './server';
import { receive, submit } from './smtp';

test.describe.configure({ mode: 'serial' });

test.beforeEach(async ({ page, server }) => {
  await signIn(page, server.ready.admin.user, server.ready.admin.password);
  await page.waitForURL('**/admin/');
});

const row = (page: Page, text: string) => page.getByRole('row').filter({ hasText: text }).first();

async function send(ready: Ready, from: string, to: string, subject = 'Hello'): Promise<void> {
  const who = ready.accounts.find((account) => account.address === from)!;
  expect(await submit(ready, who, to, `From: <${from}>\nTo: <${to}>\nSubject: ${subject}\n\nHello`)).toMatch(/^250/);
}

test('stories of a message delivered, put off, bounced and refused', async ({ page, server }) => {
  await send(server.ready, 'alice@example.test', 'kim@bigmail.test');
  await send(server.ready, 'alice@example.test', 'lee@slow.test');
  await send(server.ready, 'alice@example.test', 'max@strict.test');
  expect(await receive(server.ready, 'ann@bigmail.test', 'nobody@example.test', 'Subject: Who?\n\nHello')).toMatch(/^550 5\.1\.1/);

  for (const { to, direction, outcome, line } of [
    { to: 'kim@bigmail.test', direction: 'out', outcome: 'Delivered', line: /^250 / },
    { to: 'lee@slow.test', direction: 'out', outcome: /Will retry|Delivered/, line: /^451 4\.7\.1/ }, // it is taken the second time
    { to: 'max@strict.test', direction: 'out', outcome: 'Bounced', line: /^550 5\.7\.1/ },
    { to: 'nobody@example.test', direction: 'in', outcome: 'Refused', line: /^550 5\.1\.1/ },
  ]) {
    await test.step(to, async () => {
      const found = row(page, to);
      await expect(async () => {
        await page.goto(`/admin/mail/search?q=${to}&direction=${direction}`);
        await expect(found).toContainText(outcome, { timeout: 1_000 });
      }).toPass();
      const link = found.getByRole('link');
      await link.click();
      const story = page.getByRole('dialog', { name: 'Story of a message' });
      await expect(story.getByRole('code').filter({ hasText: line }).first()).toBeVisible();
      await page.keyboard.press('Escape');
      await expect(story).toHaveCount(0);
      await expect(link).toBeFocused();
    });
  }
});

test('hold, release and retry all that wait for the same', async ({ page, server }) => {
  for (const n of [1, 2, 3]) await send(server.ready, 'bob@example.test', `x${n}@down.test`);
  const group = page.getByRole('region').filter({ hasText: '3 messages' });
  await expect(async () => {
    await page.goto('/admin/mail/queue');
    await expect(group).toHaveCount(1, { timeout: 1_000 });
  }).toPass();
  await group.getByRole('button', { name: 'Hold' }).click();
  await expect(page.getByText('3 messages are held')).toBeVisible();
  await page.getByRole('button', { name: 'Release' }).first().click();
  await expect(page.getByText('3 messages are released')).toBeVisible();
  await page.getByRole('button', { name: 'Retry now' }).first().click();
  await expect(page.getByText('3 messages are tried now')).toBeVisible();
});

test('cancel one message, after a question', async ({ page }) => {
  await page.goto('/admin/mail/queue?q=x1@down.test');
  await row(page, 'x1@down.test').getByRole('link').click();
  await page.getByRole('dialog').getByRole('button', { name: 'More actions' }).click();
  await page.getByRole('menuitem', { name: /Cancel/ }).click();
  const question = page.getByRole('dialog', { name: 'Cancel the message?' });
  await question.getByRole('button', { name: 'Cancel the message' }).click();
  await expect(page.getByText('One message is cancelled')).toBeVisible();
});

test('what strangers write is text, whatever is in it', async ({ page, server }) => {
  const hostile = '"<img/src=x/onerror=alert(1)>"@bigmail.test';
  await receive(server.ready, hostile, 'alice@example.test', 'Subject: <script>alert(1)</script>\n\nHello');
  await page.goto('/admin/mail/search?q=@bigmail.test');
  await row(page, hostile).getByRole('link').click();
  await expect(page.getByRole('dialog').getByText(hostile).first()).toBeVisible();
  await expect(page.locator('img')).toHaveCount(0);
});
