import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { call, must } from './api';
import { expect, signIn, test } from './fixtures';
import { submit } from './smtp';

// Which version runs, what the last upgrade did, and a file for whoever helps.

const password = 'two slow clocks in the hall';

/** Writes down an upgrade as the program does. */
function upgraded(data: string, state: object): void {
  mkdirSync(join(data, 'upgrade'), { recursive: true });
  writeFileSync(join(data, 'upgrade/state.json'), JSON.stringify(state));
}

const went = {
  from: { version: '1.4.0', schema: 1 },
  to: { version: '1.5.0', schema: 2 },
  began: '2026-11-28T10:00:00Z',
  switched: '2026-11-28T10:00:20Z',
  ended: '2026-11-28T10:01:00Z',
  log: ['10:00:00 stopping the server', '10:00:01 testing 1.5.0 on a copy of the data', '10:00:20 starting 1.5.0', '10:01:00 all is well: 1.5.0 serves'],
  installed: '/usr/bin/mailstead',
  before: '/usr/bin/mailstead.before',
};

test('an owner sees the version, how to install the next one, and what the last upgrade did', async ({ page, server, axe }) => {
  const { ready } = server;
  await signIn(page, ready.admin.user, ready.admin.password);
  await page.waitForURL('**/admin/');
  rmSync(join(ready.data, 'upgrade'), { recursive: true, force: true });
  await page.goto('/admin/system');
  await page.getByRole('navigation', { name: 'System' }).getByRole('link', { name: 'Updates' }).click();
  const next = page.getByRole('region', { name: 'How to install the next version' });
  await expect(next.getByRole('listitem')).toHaveCount(3);
  await expect(next).toContainText('sudo mailstead upgrade --binary ./mailstead-NEW'); // as a file: the tests run no package
  await expect(page.getByRole('region', { name: 'This version' })).toContainText('schema 1');
  await expect(page.getByText('No upgrade yet')).toBeVisible();
  await expect(page.getByRole('heading', { name: 'The way back' })).toHaveCount(0);

  upgraded(ready.data, { ...went, phase: 'done', dataChanged: false });
  await page.reload();
  const last = page.getByRole('region', { name: 'The last upgrade' });
  await expect(last).toContainText('1.5.0');
  await last.getByText('What it did').click();
  await expect(last).toContainText('all is well: 1.5.0 serves');
  await expect(page.getByRole('region', { name: 'The way back' })).toContainText('sudo mailstead upgrade back');
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await axe.serious()).toEqual([]);
  }

  // The data from before was removed: there is no way back any more, and the page says so.
  upgraded(ready.data, { ...went, phase: 'done', dataChanged: true, since: { version: '', at: '2026-11-28T12:00:00Z', cause: 'nothing was changed' } });
  await page.reload();
  await expect(page.getByRole('region', { name: 'The way back' })).toContainText('is not kept any more');
  await expect(page.getByRole('region', { name: 'The way back' })).not.toContainText('sudo');
  await expect(last).toContainText('Refused since');

  upgraded(ready.data, { ...went, phase: 'back', dataChanged: true, cause: 'it ended by itself and was started again', carried: { messages: 3, queued: 1, struck: 0, unclaimed: 0 } });
  await page.reload();
  await expect(page.getByText('The last upgrade did not work out')).toBeVisible();
  await expect(last).toContainText('it ended by itself');
  await expect(last).toContainText('3 in mailboxes, 1 that wait to be sent');
  await page.setViewportSize({ width: 390, height: 844 });
  expect(await axe.serious()).toEqual([]);
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
  rmSync(join(ready.data, 'upgrade'), { recursive: true });
});

test('a bundle for a helper has no names and no secrets in it', async ({ page, server, axe }, info) => {
  const { ready } = server;
  const [alice, bob] = ready.accounts;
  await signIn(page, ready.admin.user, ready.admin.password);
  await page.waitForURL('**/admin/');
  await must(page, 'PUT', '/settings/relay.password', { value: 'canary relay password' });
  await submit(ready, alice!, bob!.address, `From: <${alice!.address}>\nSubject: CANARY SUBJECT\n\nCANARY BODY`);
  await page.goto('/admin/system/about');
  const help = page.getByRole('region', { name: 'Ask for help' });
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await axe.serious()).toEqual([]);
  }
  const download = page.waitForEvent('download');
  await help.getByRole('button', { name: 'Make a support bundle' }).click();
  const file = info.outputPath('bundle.tar.gz');
  const got = await download;
  expect(got.suggestedFilename()).toMatch(/^mailstead-support-\d{8}T\d{6}Z\.tar\.gz$/);
  await got.saveAs(file);
  await expect(page.getByText('The bundle is in your downloads')).toBeVisible();
  const text = execFileSync('tar', ['-xzOf', file], { maxBuffer: 64 << 20 }).toString();
  for (const word of [alice!.address, bob!.address, 'example.test', alice!.password, ready.admin.password, 'canary relay password', 'CANARY'])
    expect(text.toLowerCase().includes(word.toLowerCase()), word).toBe(false);
  const names = execFileSync('tar', ['-tzf', file]).toString().trim().split('\n').map((name) => name.replace('mailstead-support/', ''));
  for (const name of ['manifest.json', 'server.json', 'settings.json', 'checks.json', 'queue.json', 'storage.json', 'log.txt', 'metrics.txt', 'goroutines.txt', 'upgrade.json', 'certificates.json'])
    expect(names, name).toContain(name);
  expect(names[0]).toBe('manifest.json');
  expect(readFileSync(file).length).toBeLessThan(4 << 20);
  await must(page, 'DELETE', '/settings/relay.password');
  const audit = await must(page, 'GET', '/audit?action=system.support-bundle');
  expect(audit.items[0].actor).toBe(ready.admin.user);
});

test('a helper of the server may not', async ({ page, server }) => {
  const { ready } = server;
  await signIn(page, ready.admin.user, ready.admin.password);
  await page.waitForURL('**/admin/');
  await must(page, 'POST', '/accounts', { address: 'ursula@example.test', password, role: 'support' });
  await page.context().clearCookies();
  await signIn(page, 'ursula@example.test', password, '/account/sign-in');
  await page.waitForURL(/\/(admin|account)\/(?!sign-in)/);
  await page.goto('/admin/system');
  await expect(page.getByRole('navigation', { name: 'System' })).toBeVisible();
  await expect(page.getByRole('link', { name: 'Updates' })).toHaveCount(0);
  for (const [method, path] of [['GET', '/updates'], ['POST', '/system:support-bundle']] as const) {
    const answer = await call(page, method, path);
    expect(answer.status, path).toBe(403);
  }
});
