import { expect, signIn, test } from './fixtures';
import { submit } from './smtp';

test('a walk through the console by keys alone', async ({ page, server }) => {
  const { ready } = server;
  await submit(ready, ready.accounts[0]!, 'bob@example.test', `From: <${ready.accounts[0]!.address}>\nSubject: Keys\n\nHello`);
  await signIn(page, ready.admin.user, ready.admin.password);
  await page.waitForURL('**/admin/');
  await page.reload();
  const heading = page.getByRole('heading', { level: 1 });
  await expect(heading).toHaveText('Overview');

  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to content' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('main')).toBeFocused();

  await page.keyboard.press('Control+k');
  await page.keyboard.type('search the mail');
  await expect(page.getByRole('option', { name: /Search the mail flow/, selected: true })).toBeVisible();
  await page.keyboard.press('Enter');
  await page.waitForURL('**/admin/mail/search');
  await expect(heading).toBeFocused();

  await page.keyboard.press('/');
  await page.keyboard.type('bob@example.test');
  await page.waitForURL('**/search?q=bob%40example.test');
  const link = page.getByRole('row').filter({ hasText: 'alice@example.test' }).getByRole('link').first();
  await link.focus();
  await page.keyboard.press('Enter');
  const story = page.getByRole('dialog', { name: 'Story of a message' });
  await expect(story).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(story).toHaveCount(0);
  await expect(link).toBeFocused();

  const account = page.getByRole('button', { name: 'Your account' });
  await account.focus();
  await page.keyboard.press('ArrowDown');
  await expect(page.getByRole('menuitem').first()).toBeFocused();
  await page.keyboard.press('d');
  await expect(page.getByRole('menuitemradio', { name: 'Dark' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await expect(account).toBeFocused();

  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keyboard shortcuts' })).toBeVisible();
  await page.keyboard.press('Escape');
  await page.keyboard.press('g');
  await page.keyboard.press('q');
  await page.waitForURL('**/admin/mail/queue');
});
