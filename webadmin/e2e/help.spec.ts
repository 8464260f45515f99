import { expect, test } from './fixtures';

test('the help page shows the settings of an address and refuses markup', async ({ page, axe, server }) => {
  await page.goto('/help');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Set up your mail');
  await page.getByLabel('Your address').fill('alice@example.test');
  await page.getByRole('button', { name: 'Show my settings' }).click();
  const rows = page.getByRole('row');
  await expect(rows.nth(1)).toContainText(String(server.ready.imaps).split(':')[1]!);
  await expect(page.getByText('alice@example.test', { exact: true })).toBeVisible();
  expect(await axe.serious()).toEqual([]);

  await page.goto('/help?address=' + encodeURIComponent('"><script>alert(1)</script>'));
  await expect(page.getByRole('alert')).toContainText('is not an address');
  await page.emulateMedia({ colorScheme: 'dark' });
  expect(await axe.serious()).toEqual([]);
});

test('what the browser would catch is caught', async ({ page, offences }) => {
  // The watchers of fixtures.ts must see: each of these offends, and is taken back.
  await page.goto('/help');
  await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'window.ran = true';
    document.head.append(script);
    const image = document.createElement('img');
    image.src = 'https://elsewhere.test/pixel.gif';
    document.body.append(image);
  });
  await expect.poll(() => offences.filter((o) => o.includes('CSP: script-src')).length).toBeGreaterThan(0);
  await expect.poll(() => offences.filter((o) => o.includes('CSP: img-src')).length).toBeGreaterThan(0);
  expect(await page.evaluate(() => 'ran' in window)).toBe(false);
  offences.length = 0;
});
