import type { Locator, Page } from '@playwright/test';
import { expect, signIn, test } from './fixtures';
import type { Server } from './server';
import { receive, submit } from './smtp';

// Mail in and out, as an admin sees it: what became of each message, and why, and what can be done with what waits.

const mail = (subject: string) => `From: <alice@example.test>\nSubject: ${subject}\n\nHello`;

/** Sends as alice; the story of the message is then found by its subject. */
async function send({ ready }: Server, to: string, subject: string) {
  expect(await submit(ready, ready.accounts[0]!, to, mail(subject))).toMatch(/^250 /);
}

/** Searches until the newest message of the query has the outcome, and opens its story. */
async function openStory(page: Page, q: string, outcome: string): Promise<Locator> {
  const row = page.getByRole('row').filter({ has: page.getByText(outcome, { exact: true }) }).first();
  await expect(async () => {
    await page.goto(`/admin/mail/search?${new URLSearchParams({ q })}`);
    await expect(row).toBeVisible({ timeout: 2000 });
  }).toPass({ timeout: 40_000 });
  await row.getByRole('link').first().click();
  const story = page.getByRole('dialog', { name: 'Story of a message' });
  await expect(story.getByRole('heading', { name: 'What happened' })).toBeVisible();
  await expect(story.getByRole('region', { name: 'Summary' }).getByText(outcome, { exact: true })).toBeVisible();
  return story;
}

/** The lines of all SMTP conversations of a story that hold the text. */
const said = (story: Locator, text: string | RegExp) => story.locator('.talk li').filter({ has: story.page().locator('code', { hasText: text }) });

test.beforeEach(async ({ page, server }) => {
  await signIn(page, server.ready.admin.user, server.ready.admin.password);
  await page.waitForURL('**/admin/');
});

test('the story of a delivered message', async ({ page, server, axe }) => {
  await send(server, 'kim@bigmail.test', 'Delivered to bigmail');
  const story = await openStory(page, 'Delivered to bigmail', 'Delivered');
  await expect(story.getByRole('link', { name: 'kim@bigmail.test' })).toBeVisible();
  await expect(story.getByText('Submitted by alice@example.test', { exact: false }).first()).toBeVisible();

  for (const [line, explanation] of [
    [/^EHLO /, 'The client says its name and asks what the server can do.'],
    [/^MAIL FROM:<alice@example\.test>/, /names the sender/],
    [/^RCPT TO:<kim@bigmail\.test>/, /names a recipient/],
    [/^250 2\.0\.0 thank you/, /\w/],
  ] as const) {
    await expect(said(story, line).last().locator('p'), `${line} is explained`).toHaveText(explanation);
  }
  const lines = story.locator('.talk li');
  await expect(lines.filter({ hasText: 'Client:' }).first()).toBeVisible();
  await expect(lines.filter({ hasText: 'Server:' }).first()).toBeVisible();
  expect(await axe.serious()).toEqual([]);

  await story.getByText('Explain each line').click();
  await expect(lines.locator('p')).toHaveCount(0);
});

test('the story of a message that was greylisted, then delivered', async ({ page, server }) => {
  await send(server, 'kim@slow.test', 'Greylisted first');
  const story = await openStory(page, 'Greylisted first', 'Delivered');
  const refusal = said(story, /^451 4\.7\.1 greylisted/);
  await expect(refusal.first().locator('p')).toContainText(/again|later|wait/i);
  await expect(said(story, /^250 2\.0\.0 thank you/)).toHaveCount(1);
  await expect(story.getByText(/deferred by mx\.slow\.test/).first()).toBeVisible();
  await expect(story.getByText(/delivered by mx\.slow\.test/).first()).toBeVisible();
});

test('the story of a bounced message', async ({ page, server }) => {
  await send(server, 'kim@strict.test', 'Against the policy');
  const story = await openStory(page, 'Against the policy', 'Bounced');
  await expect(story.getByRole('region', { name: 'Summary' })).toContainText('5.7.1');
  const refusal = said(story, /^550 5\.7\.1 our policy does not allow mail from strangers/);
  await expect(refusal).toHaveCount(1);
  await expect(refusal.locator('p')).toContainText(/polic/i);
  await expect(refusal).toHaveClass(/fail/);

  // The address of the story can be given to others, and the sender has the report.
  await page.reload();
  await expect(page.getByRole('dialog', { name: 'Story of a message' }).getByText('Bounced', { exact: true }).first()).toBeVisible();
  await page.goto(`/admin/mail/search?${new URLSearchParams({ q: 'alice@example.test' })}`);
  await expect(page.getByRole('row').filter({ hasText: 'Report (no sender)' }).first()).toBeVisible();
});

test('the story of a refused message', async ({ page, server }) => {
  expect(await receive(server.ready, 'kim@elsewhere.test', 'nobody@example.test', 'Subject: Who?\n\nHello')).toMatch(/^550 5\.1\.1/);
  await page.goto('/admin/mail/refusals');
  const row = page.getByRole('row').filter({ hasText: 'nobody@example.test' });
  await expect(row).toContainText('kim@elsewhere.test');
  const link = row.getByRole('link').first();
  await link.click();
  const story = page.getByRole('dialog', { name: 'Story of a message' });
  await expect(story.getByRole('region', { name: 'Summary' })).toContainText('Refused');
  await expect(story.getByRole('region', { name: 'Summary' })).toContainText('5.1.1');
  const refusal = said(story, /^550 5\.1\.1/);
  await expect(refusal.locator('p')).toContainText(/no such|not exist|unknown|nobody/i);
  await expect(said(story, /^RCPT TO:<nobody@example\.test>/)).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(story).toHaveCount(0);
  await expect(link).toBeFocused();
});

test('a message from outside appears without a reload', async ({ page, server }) => {
  await page.goto('/admin/mail');
  await expect(page.getByText('Live', { exact: true }).last()).toBeVisible();
  const row = page.getByRole('row').filter({ hasText: 'ruth@elsewhere.test' });
  await expect(row).toHaveCount(0);
  await page.evaluate(() => Object.assign(globalThis, { notReloaded: true }));
  expect(await receive(server.ready, 'ruth@elsewhere.test', 'bob@example.test', `From: Ruth <ruth@elsewhere.test>\nTo: bob@example.test\nDate: ${new Date().toUTCString()}\nMessage-ID: <news@elsewhere.test>\nSubject: News\n\nHello Bob, how are you?`)).toMatch(/^250 /);
  await expect(row).toContainText('bob@example.test');
  await expect(row).toContainText('Accepted');
  expect(await page.evaluate(() => 'notReloaded' in globalThis)).toBe(true);
});

test('what waits is grouped by cause, held, released and tried again', async ({ page, server }) => {
  for (const n of [1, 2, 3]) await send(server, `kim${n}@down.test`, `Down ${n}`);
  const group = page.locator('section.panel').filter({ hasText: 'down.test' });
  const tries = async () => {
    const { items } = await page.evaluate(() => fetch('/api/v1/queue?address=@down.test').then((r) => r.json()));
    return (items as { recipients: { attempts: number }[] }[]).map((item) => item.recipients[0]!.attempts);
  };
  await expect(async () => expect(Math.min(...(await tries()), 99)).toBeGreaterThan(0)).toPass();
  const before = await tries();
  expect(before).toHaveLength(3);

  await page.goto('/admin/mail/queue');
  await expect(group).toHaveCount(1);
  await expect(group).toContainText('3 messages');
  await expect(group.getByRole('heading', { level: 2 })).toHaveText(/answer/i);

  await group.getByRole('button', { name: 'Hold' }).click();
  await expect(page.getByText('3 messages are held')).toBeVisible();
  await expect(group.getByText('Held', { exact: true }).first()).toBeVisible();
  await expect(group.getByRole('button', { name: 'Retry now' })).toHaveCount(0);

  await group.getByRole('button', { name: 'Release' }).click();
  await expect(page.getByText('3 messages are released')).toBeVisible();
  await expect(group.getByRole('button', { name: 'Hold' })).toBeVisible();
  await group.getByRole('button', { name: 'Retry now' }).click();
  await expect(page.getByText(/messages? (is|are) tried now/)).toBeVisible(); // fewer than three if some are tried at this moment
  await expect(async () => {
    const now = await tries();
    expect(now.every((n) => n > before[0]!)).toBe(true);
  }).toPass();

  await page.goto(`/admin/mail/search?${new URLSearchParams({ q: 'Down 1' })}`);
  await page.getByRole('row').filter({ hasText: 'kim1@down.test' }).getByRole('link').first().click();
  const story = page.getByRole('dialog', { name: 'Story of a message' });
  await expect(story.getByText(/held/i).first()).toBeVisible();
  await expect(story.getByText(/released/i).first()).toBeVisible();
});

test('one message of the queue is cancelled, after a question', async ({ page, server }) => {
  await send(server, 'lone@down.test', 'Never mind');
  const row = page.getByRole('row').filter({ hasText: 'lone@down.test' });
  await expect(async () => {
    await page.goto('/admin/mail/queue?q=lone@down.test');
    await expect(row).toBeVisible({ timeout: 2000 });
  }).toPass();
  await row.getByRole('link').click();
  const message = page.getByRole('dialog');
  await expect(message.getByText(/Next try (in|now)|It is being tried/)).toBeVisible();
  await message.getByRole('button', { name: 'More actions' }).click();
  await page.getByRole('menuitem', { name: /Cancel/ }).click();
  await page.getByRole('dialog', { name: 'Cancel the message?' }).getByRole('button', { name: 'Cancel the message' }).click();
  await expect(page.getByText('One message is cancelled')).toBeVisible();
});
