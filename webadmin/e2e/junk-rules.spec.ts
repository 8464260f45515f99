import { must } from './api';
import { expect, signIn, test } from './fixtures';
import { honest, suspicious } from './mails';
import { receive } from './smtp';

// Rules for junk: what a change would have done to the mail of the last 30 days is said before it is saved.

test('other thresholds are tried on past mail, saved, and undone', async ({ page, server, axe }) => {
  const { ready } = server;
  const [alice, bob] = ready.accounts;
  for (const n of [1, 2, 3]) expect(await receive(ready, 'help@stranger.test', alice!.address, suspicious({ to: alice!.address, subject: `QUARANTINED ${n}` }))).toMatch(/^250/);
  for (const n of [1, 2]) expect(await receive(ready, 'ruth@elsewhere.test', bob!.address, honest({ to: bob!.address, subject: `Honest ${n}` }))).toMatch(/^250/);

  await signIn(page, ready.admin.user, ready.admin.password);
  await page.waitForURL('**/admin/');
  await page.goto('/admin/mail/junk');
  const form = page.getByRole('region', { name: 'What is done at which score' });
  const save = form.getByRole('button', { name: 'Save' });
  await expect(form.getByLabel('Into quarantine from')).toHaveValue('10');
  await expect(save).toBeDisabled();

  await form.getByLabel('Into quarantine from').fill('ten');
  await expect(form.getByText('A number such as 5 or 7.5; empty for never.')).toBeVisible();
  await expect(save).toBeDisabled();
  await form.getByLabel('Into quarantine from').fill('4');
  await expect(form.getByText(/quarantine threshold \(4\) is below that of junk \(5\)/)).toBeVisible();
  await expect(save).toBeDisabled();

  await form.getByLabel('Into quarantine from').fill('');
  const answer = form.getByRole('status').filter({ hasText: 'deliveries since' });
  await expect(answer).toContainText(/^Of \d+ deliveries since .*, \d+ would have gone elsewhere:/);
  await answer.locator('summary').click();
  const moved = Number(/(\d+) messages/.exec(await answer.innerText())?.[1]); // what other tests have left is among them
  expect(moved).toBeGreaterThanOrEqual(3);
  await expect(answer.getByRole('link', { name: 'help@stranger.test' })).toHaveCount(moved);
  expect(await axe.serious()).toEqual([]);
  await save.click();
  await expect(page.getByText('The junk rules are changed.')).toBeVisible();
  expect((await must(page, 'GET', '/junk/policy')).holds).toEqual({ mode: 'file', junk: 5, quarantine: 0, refuse: 15 });

  await page.getByRole('button', { name: 'Undo' }).click();
  await expect(form.getByLabel('Into quarantine from')).toHaveValue('10');
});

test('a domain has rules of its own, until the wider ones hold again', async ({ page, server }) => {
  await signIn(page, server.ready.admin.user, server.ready.admin.password);
  await page.waitForURL('**/admin/');
  await page.goto('/admin/domains/example.test/junk');
  const form = page.getByRole('region', { name: 'What is done at which score' });
  await expect(form).toContainText('Nothing is set here: the wider rules hold.');
  await form.getByRole('radio', { name: 'Only mark' }).check();
  await form.getByRole('button', { name: 'Save' }).click();
  await expect(form).toContainText('Here something of its own is set.');
  await page.goto('/admin/people/alice@example.test/junk');
  await expect(form.getByRole('radio', { name: 'Only mark' })).toBeChecked();
  await page.goto('/admin/domains/example.test/junk');
  await form.getByRole('button', { name: 'Back to the wider rules' }).click();
  await expect(form).toContainText('Nothing is set here: the wider rules hold.');
  await expect(form.getByRole('radio', { name: 'Sort' })).toBeChecked();
});
