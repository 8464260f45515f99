import { must } from './api';
import { expect, signIn, test } from './fixtures';
import { imap } from './imap';
import { submit } from './smtp';

// What takes room on the disk, and giving back that of deleted mail.

test('an owner has the room of deleted mail given back', async ({ page, server, axe }) => {
  const { ready } = server;
  const [ana] = ready.accounts;
  await signIn(page, ready.admin.user, ready.admin.password);
  await page.waitForURL('**/admin/');
  expect(await submit(ready, ana!, ana!.address, `From: <${ana!.address}>\nSubject: not wanted\n\n${'x\n'.repeat(1000)}`)).toMatch(/^250/);
  await expect(async () => expect((await imap(ready, ana!, 'STATUS INBOX (MESSAGES)')).join()).not.toContain('MESSAGES 0')).toPass();
  await imap(ready, ana!, 'SELECT INBOX', 'STORE 1:* +FLAGS.SILENT (\\Deleted)', 'EXPUNGE');

  await page.goto('/admin/system/storage');
  const deleted = page.getByRole('region', { name: 'Deleted mail' });
  await deleted.getByRole('button', { name: 'Give back its room now' }).click();
  await expect(page.getByText('0 B given back to the disk.')).toBeVisible(); // it was deleted just now
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await axe.serious()).toEqual([]);
  }
  await page.setViewportSize({ width: 390, height: 844 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);

  await expect(async () => {
    const { job } = await must(page, 'POST', '/storage:reclaim', { olderThanSeconds: 2 });
    await expect(async () => expect((await must(page, 'GET', `/jobs/${job}`)).state).toBe('done')).toPass();
    expect((await must(page, 'GET', `/jobs/${job}`)).result.bytes).toBeGreaterThan(0);
  }).toPass({ timeout: 30_000 });
});
