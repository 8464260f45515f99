import { expect, signIn, test } from './fixtures';

// A server that last ran some hours later than the clock of the system says now.

test.use({ serverFiles: { clock: JSON.stringify({ at: new Date(Date.now() + 200 * 60_000).toISOString() }) } });

test('the check of the clock says what is wrong, and believes the system when somebody says so', async ({ page, server, axe }) => {
  const { ready } = server;
  await signIn(page, ready.admin.user, ready.admin.password, '/admin/system');
  const believe = page.getByRole('button', { name: 'Believe the system clock' });
  await expect(believe).toBeVisible();
  await expect(page.getByText(/3 hours behind where it was when this server last ran/)).toBeVisible();
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 900 });
      expect(await axe.serious()).toEqual([]);
      await believe.scrollIntoViewIfNeeded();
      await page.screenshot({ path: `test-results/clock-${colorScheme}-${width}.png` });
    }
  }
  await believe.focus();
  await page.keyboard.press('Enter');
  await expect(page.getByText('The system clock is believed again')).toBeVisible();
  await expect(believe).toHaveCount(0);
});
