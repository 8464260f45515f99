import type { Page } from '@playwright/test';
import { call, must } from './api';
import { expect, signIn, test } from './fixtures';
import { picture } from './picture';
import type { Login } from './server';
import { publish, setUp, world } from './world';

// Certificates of a server that gets them from an authority: got, renewed, refused, and the change of the key.

test.use({ serverArgs: ['--setup'] });
let owner: Login;
test.beforeAll(async ({ server }) => {
  owner = await setUp(server);
});

async function enter(page: Page) {
  await signIn(page, owner.address, owner.password);
  await page.waitForURL('**/admin/');
}
const of = async (page: Page, name: string) => (await must(page, 'GET', '/certificates')).items.find((c: { name: string }) => c.name === name);

test('an owner sees each name, renews, reads why it failed, and changes the key', async ({ page, server, axe }) => {
  test.setTimeout(120_000);
  const { ready } = server;
  async function sound() {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await axe.serious(), colorScheme).toEqual([]);
    }
    await page.setViewportSize({ width: 390, height: 844 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 'wider than a phone').toBeLessThanOrEqual(0);
    await page.setViewportSize({ width: 1280, height: 800 });
  }
  await enter(page);
  await expect(async () => {
    for (const name of ['mail.example.test', 'autoconfig.example.test']) expect((await of(page, name)).state, name).toBe('good');
  }).toPass({ timeout: 40_000 });

  await page.goto('/admin/system');
  await page.getByRole('navigation', { name: 'System' }).getByRole('link', { name: 'Certificates' }).click();
  const rows = page.getByRole('table', { name: 'Certificates by name' }).getByRole('row');
  await expect(rows).toHaveCount(3);
  await expect(rows.nth(1)).toContainText('Good');
  await page.getByText('names of your domains do not lead here').click();
  await expect(page.getByText('mta-sts.example.test')).toBeVisible();
  await sound();
  await page.emulateMedia({ colorScheme: 'light' });
  await picture(page, 'certificates');

  const sheet = page.getByRole('dialog', { name: 'mail.example.test' });
  const confirm = (title: string) => page.getByRole('dialog', { name: title });
  await test.step('renewed at once', async () => {
    await rows.nth(1).getByRole('link').click();
    await expect(sheet).toContainText('port 80 (HTTP-01)');
    await expect(sheet).toContainText('days left');
    await sheet.getByRole('button', { name: 'Renew now' }).click();
    await expect(confirm('Renew it already?')).toContainText('is renewed by itself');
    await confirm('Renew it already?').getByRole('button', { name: 'Renew' }).click();
    await expect(page.getByText('The certificates are there.').first()).toBeVisible({ timeout: 30_000 });
  });

  await test.step('the authority does not find the server', async () => {
    await world(ready, 'DELETE', '/zone?name=mail.example.test');
    await sheet.getByRole('button', { name: 'Renew now' }).click();
    await confirm('Renew it already?').getByRole('button', { name: 'Renew' }).click();
    await expect(sheet).toContainText('What to do:', { timeout: 30_000 });
    await expect(sheet).toContainText('Good, its renewal fails');
    await sound();
    await picture(page, 'certificate'); // dark
    expect((await of(page, 'mail.example.test')).state).toBe('good');
    await publish(ready, 'mail.example.test. 300 IN A 127.0.0.1');
  });

  await test.step('the next key has to be published first', async () => {
    await publish(ready, `_25._tcp.mail.example.test. 300 IN TLSA 3 1 1 ${'ab'.repeat(32)}`);
    await sheet.getByRole('button', { name: 'Change the key' }).click();
    const dialog = confirm('Change the key?');
    await dialog.getByRole('button', { name: 'Change the key' }).click();
    await expect(dialog.getByRole('alert')).toContainText('that of the next key is not among them');
    await sound();
    const next = (await dialog.getByRole('alert').innerText()).match(/3 1 1 ([0-9a-f]{64})/)![1];
    await publish(ready, `_25._tcp.mail.example.test. 300 IN TLSA 3 1 1 ${next}`);
    await dialog.getByRole('button', { name: 'Look again' }).click();
    await expect(dialog).toHaveCount(0);
    await expect(sheet).not.toContainText('What to do:', { timeout: 30_000 });
    const audit = await must(page, 'GET', '/audit?action=certificate.renew');
    expect(audit.items.length).toBe(3);
  });
});

test('a helper of the server sees no certificates', async ({ page }) => {
  await enter(page);
  const helper = { address: 'hugo@example.test', password: 'a long walk by the harbour wall' };
  await must(page, 'POST', '/accounts', { ...helper, role: 'support' });
  await page.context().clearCookies();
  await signIn(page, helper.address, helper.password, '/account/sign-in');
  await page.waitForURL(/\/(admin|account)\/(?!sign-in)/);
  await page.goto('/admin/system');
  await expect(page.getByRole('navigation', { name: 'System' })).toBeVisible();
  await expect(page.getByRole('link', { name: 'Certificates' })).toHaveCount(0);
  for (const [method, path] of [['GET', '/certificates'], ['POST', '/certificates:renew']] as const) expect((await call(page, method, path)).status, path).toBe(403);
});
