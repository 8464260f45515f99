import type { Page } from '@playwright/test';
import { call, must } from './api';
import { expect, signIn, test } from './fixtures';
import { picture } from './picture';
import type { Login } from './server';
import { firstRun, publish, setUp } from './world';

// DNS providers, and records that are published with one: the zone is that of the simulated world, which takes updates
// (RFC 2136).

test.use({ serverArgs: ['--setup'] });
let owner: Login;
test.beforeAll(async ({ server }) => {
  owner = await setUp(server);
  await publish(server.ready, 'example.test. 300 IN MX 5 old.elsewhere.test.', 'example.test. 300 IN TXT "v=spf1 include:news.elsewhere.test -all"', 'example.test. 300 IN TXT "of-others=1"');
});

async function enter(page: Page) {
  await signIn(page, owner.address, owner.password);
  await page.waitForURL('**/admin/');
}

/** What the name servers have, by the ids of the records that are wanted. */
async function have(page: Page): Promise<Record<string, string[]>> {
  const report = await must(page, 'POST', '/domains/example.test/dns:check');
  return Object.fromEntries(report.groups.flatMap((g: any) => g.records).map((r: any) => [r.id, r.have]));
}

test('an owner adds a DNS provider, and publishes with it what mail needs', async ({ page, server, axe }) => {
  test.setTimeout(120_000);
  const { primary } = firstRun(server.ready);
  async function sound() {
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await axe.serious(), colorScheme).toEqual([]);
    }
    await page.setViewportSize({ width: 390, height: 844 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 'wider than a phone').toBeLessThanOrEqual(0);
    await page.setViewportSize({ width: 1280, height: 800 });
  }
  const wrong = Buffer.from('another key').toString('base64');
  await enter(page);
  await page.goto('/admin/domains/example.test/dns');
  await expect(page.getByRole('button', { name: /^Apply with/ })).toHaveCount(0);

  await test.step('a provider is tried before it is kept', async () => {
    await page.getByRole('link', { name: 'Add a DNS provider' }).click();
    const form = page.getByRole('dialog', { name: 'Add a DNS provider' });
    await expect(form.getByLabel('Zones')).toHaveValue('example.test');
    await form.getByLabel('Where is the zone hosted?').selectOption('A program on this server');
    await expect(form).toContainText('sudo mailstead dns-provider add NAME exec example.test');
    await form.getByLabel('Where is the zone hosted?').selectOption('Name server with updates (RFC 2136)');
    await form.getByLabel('Name', { exact: true }).fill('home');
    await form.getByLabel('Primary name server').fill(primary.server);
    await form.getByLabel('Name of the TSIG key').fill(primary.login);
    await form.getByLabel('Secret of the key').fill(wrong);
    await form.getByRole('button', { name: 'Try and save' }).click();
    await expect(form.getByRole('alert')).toContainText('example.test');
    await sound();
    await form.getByLabel('Secret of the key').fill(primary.secret);
    await form.getByRole('button', { name: 'Try and save' }).click();
    await expect(page.getByText('home answers, and is saved.')).toBeVisible();
  });

  await test.step('tested, and given another key', async () => {
    const row = page.getByRole('table', { name: 'DNS providers' }).getByRole('row', { name: /home/ });
    await row.getByRole('button', { name: 'Test home' }).click();
    await expect(row).toContainText('Answers');
    const change = async (secret: string, unchecked: boolean) => {
      await row.getByRole('button', { name: 'More about home' }).click();
      await page.getByRole('menuitem', { name: 'Change' }).click();
      const form = page.getByRole('dialog', { name: 'Change home' });
      await expect(form.getByLabel('Secret of the key'), 'is never shown').toHaveValue('');
      await form.getByLabel('Secret of the key').fill(secret);
      await form.getByRole('button', { name: 'Try and save' }).click();
      if (unchecked) {
        await form.getByLabel('Save it without trying it').check();
        await form.getByRole('button', { name: 'Save', exact: true }).click();
      }
      await expect(form).toHaveCount(0);
    };
    await change(wrong, true);
    await row.getByRole('button', { name: 'Test home' }).click();
    await expect(row).toContainText('Does not answer as it should');
    await sound();
    await change(primary.secret, false);
    await row.getByRole('button', { name: 'Test home' }).click();
    await expect(row).toContainText('Answers');
    await page.reload(); // without what the toasts say
    await row.getByRole('button', { name: 'Test home' }).click();
    await expect(row).toContainText('Answers');
    await picture(page, 'dns-providers');
    expect(JSON.stringify(await must(page, 'GET', '/dns-providers'))).not.toContain(primary.secret);
  });

  const sheet = page.getByRole('dialog', { name: 'Apply with home' });
  await test.step('the plan, and what is published of it', async () => {
    await page.goto('/admin/domains/example.test/dns');
    await page.getByRole('button', { name: 'Apply with home' }).click();
    const ours = sheet.getByRole('region', { name: 'To publish' });
    const others = sheet.getByRole('region', { name: 'Of others: left alone' });
    await expect(ours.getByRole('checkbox', { name: 'Publish TXT of example.test', exact: true })).toBeChecked();
    await expect(ours).toContainText('include:news.elsewhere.test');
    await expect(others.getByRole('checkbox', { name: 'Replace MX of example.test', exact: true })).not.toBeChecked();
    await expect(others).toContainText('5 old.elsewhere.test');
    await sound();
    await page.emulateMedia({ colorScheme: 'light' });
    await picture(page, 'dns-apply');
    await ours.getByRole('checkbox', { name: 'Publish TXT of _dmarc.example.test' }).uncheck();
    expect((await have(page)).mx, 'a plan changes nothing').toEqual(['5 old.elsewhere.test']);
    await sheet.getByRole('button', { name: /^Publish \d+ records$/ }).click();
    await expect(sheet).toContainText('were changed');
    await sound();
    const now = await have(page);
    expect(now.mx, 'of others').toEqual(['5 old.elsewhere.test']);
    expect(now.dmarc, 'was not ticked').toEqual([]);
    expect(now.spf).toContain('of-others=1');
    expect(now.spf!.filter((v) => v.startsWith('v=spf1'))).toEqual([expect.stringContaining('include:news.elsewhere.test')]);
    await sheet.getByRole('button', { name: 'Done' }).click();
    await expect(sheet).toHaveCount(0);
  });

  await test.step('what somebody has changed since it was shown stays, and is looked at again', async () => {
    await publish(server.ready, '_imaps._tcp.example.test. 300 IN SRV 0 1 993 old.elsewhere.test.');
    await page.getByRole('button', { name: 'Apply with home' }).click();
    const others = sheet.getByRole('region', { name: 'Of others: left alone' });
    const [mx, srv] = [sheet.getByRole('checkbox', { name: 'Replace MX of example.test', exact: true }), sheet.getByRole('checkbox', { name: 'Replace SRV of _imaps._tcp.example.test' })];
    const dmarc = sheet.getByRole('checkbox', { name: 'Publish TXT of _dmarc.example.test' });
    await mx.check();
    await srv.check();
    await publish(server.ready, 'example.test. 300 IN MX 7 new.elsewhere.test.');
    const before = await have(page);
    await sheet.getByRole('button', { name: 'Publish 3 records' }).click();
    await expect(sheet.getByRole('alert')).toContainText('The records have changed since they were shown');
    await expect(others.getByRole('listitem').filter({ hasText: 'has changed' })).toContainText('7 new.elsewhere.test');
    await expect(mx, 'was ticked for another value').not.toBeChecked();
    await expect(srv, 'is as it was').toBeChecked();
    await expect(dmarc).toBeChecked();
    await expect(sheet.getByText('has changed', { exact: true })).toHaveCount(1);
    await sound();
    const now = await have(page);
    expect(now, 'nothing was published').toEqual(before);
    expect(now.mx).toHaveLength(2);
  });

  await test.step('what others have goes where it is ticked', async () => {
    await sheet.getByRole('checkbox', { name: 'Replace MX of example.test', exact: true }).check();
    await sheet.getByRole('button', { name: 'Publish 3 records' }).click();
    await expect(sheet).toContainText('3 records were changed');
    await expect(sheet.getByRole('listitem').filter({ hasText: 'old.elsewhere.test' }).first()).toContainText('published');
    const now = await have(page);
    expect(now.mx).toEqual(['10 mail.example.test']);
    expect(now.dmarc).toHaveLength(1);
    await sheet.getByRole('button', { name: 'Done' }).click();
    await page.getByRole('button', { name: 'Apply with home' }).click();
    await expect(sheet).toContainText('There is nothing to publish');
    await expect(sheet.getByRole('button', { name: /^Publish/ })).toHaveCount(0);
    const audit = await must(page, 'GET', '/audit?action=dns.apply');
    expect(audit.items).toHaveLength(2);
    await page.keyboard.press('Escape');
  });

  await test.step('removed, and the records stay', async () => {
    await page.goto('/admin/system/dns-providers');
    await page.getByRole('button', { name: 'More about home' }).click();
    await page.getByRole('menuitem', { name: 'Remove' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
    await expect(page.getByText('No DNS providers')).toBeVisible();
    expect((await have(page)).mx).toEqual(['10 mail.example.test']);
    await page.goto('/admin/domains/example.test/dns');
    await expect(page.getByRole('button', { name: 'Check again' })).toBeVisible();
    await expect(page.getByRole('button', { name: /^Apply with/ })).toHaveCount(0);
  });
});

test('an admin of a domain sees its DNS, and changes none', async ({ page }) => {
  await enter(page);
  const helper = { address: 'dora@example.test', password: 'a long walk by the harbour wall' };
  await must(page, 'POST', '/accounts', { ...helper, role: 'domain-admin', domains: ['example.test'] });
  await page.context().clearCookies();
  await signIn(page, helper.address, helper.password, '/account/sign-in');
  await page.waitForURL(/\/(admin|account)\/(?!sign-in)/);
  await page.goto('/admin/domains/example.test/dns');
  await expect(page.getByRole('button', { name: 'Check again' })).toBeVisible();
  await expect(page.getByRole('link', { name: 'Add a DNS provider' })).toHaveCount(0);
  for (const [method, path] of [['GET', '/dns-providers'], ['POST', '/dns-providers/home:test'], ['POST', '/domains/example.test/dns:apply']] as const)
    expect((await call(page, method, path, method === 'POST' ? {} : undefined)).status, path).toBe(403);
});
