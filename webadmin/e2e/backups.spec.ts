import { call, must } from './api';
import { expect, signIn, test } from './fixtures';

// Backups: made, proved, looked into and removed.

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
