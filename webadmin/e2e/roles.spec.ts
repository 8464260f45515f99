import type { Page } from '@playwright/test';
import { call, must } from './api';
import { expect, signIn, test } from './fixtures';
import { submit } from './smtp';

// What each role sees of the console, and that the API refuses the rest by itself.

const password = 'four green boats at noon';
const people = {
  'domain-admin': 'dora@side.test',
  support: 'sam@example.test',
  user: 'uma@side.test',
} as const;

test.beforeAll(async ({ server, browser }) => {
  await server.run('domain', 'add', 'side.test');
  const context = await browser.newContext({ baseURL: server.origin });
  const page = await context.newPage();
  await signIn(page, server.ready.admin.user, server.ready.admin.password);
  await page.waitForURL('**/admin/');
  for (const [role, address] of Object.entries(people))
    await must(page, 'POST', '/accounts', { address, password, role, ...(role === 'domain-admin' ? { domains: ['side.test'] } : {}) });
  await context.close();
  const [alice] = server.ready.accounts;
  await submit(server.ready, alice!, 'bob@example.test', `From: <${alice!.address}>\nSubject: Not for all\n\nHello`);
});

async function enter(page: Page, address: string) {
  await signIn(page, address, password, '/account/sign-in');
  await page.waitForURL(/\/(admin|account)\/(?!sign-in)/);
}

/** Expects each call to be refused: by 403 where the role does not do it, by 404 where it may not know of the thing. */
async function refused(page: Page, status: 403 | 404, calls: [method: string, path: string, body?: object][]) {
  for (const [method, path, body] of calls) {
    const answer = await call(page, method, path, body);
    expect.soft(answer.status, `${method} ${path}`).toBe(status);
    expect.soft(answer.body.code, `${method} ${path}`).toBe(status === 403 ? 'forbidden' : 'not-found');
  }
}

const forAdminsOnly: [string, string, object?][] = [
  ['POST', '/queue:hold', { filter: {} }],
  ['POST', '/queue:cancel', { filter: {} }],
  ['POST', '/domains', { name: 'more.test' }],
  ['GET', '/settings'],
  ['GET', '/settings.toml'],
  ['GET', '/certificates'],
  ['GET', '/api-keys'],
  ['GET', '/roles'],
];

test('a domain admin has their own domain and no other', async ({ page, server }) => {
  await enter(page, people['domain-admin']);
  await page.goto('/admin/');
  await expect(page.getByRole('region', { name: 'State of the server' })).toBeVisible(); // without the numbers of other domains
  await page.goto('/admin/people');
  await expect(page.getByRole('row').filter({ hasText: people.user })).toBeVisible();
  await expect(page.getByRole('row').filter({ hasText: 'example.test' })).toHaveCount(0);
  await page.goto('/admin/domains');
  await expect(page.getByRole('row').filter({ hasText: 'side.test' })).toBeVisible();
  await expect(page.getByRole('row').filter({ hasText: 'example.test' })).toHaveCount(0);
  await expect(page.getByRole('button', { name: 'Add a domain' })).toHaveCount(0);
  await page.goto('/admin/security');
  await expect(page.getByRole('link', { name: 'API keys' })).toHaveCount(0);
  await page.goto('/admin/people/bob@example.test');
  await expect(page.getByText('bob@example.test', { exact: false }).first()).toBeVisible();
  await expect(page.getByRole('button', { name: 'Suspend' })).toHaveCount(0);

  await refused(page, 403, forAdminsOnly);
  await refused(page, 403, [
    ['PATCH', `/accounts/${people.user}`, { role: 'admin' }],
    ['PATCH', `/accounts/${people['domain-admin']}`, { role: 'owner' }],
  ]);
  await refused(page, 404, [
    ['GET', '/accounts/bob@example.test'],
    ['PATCH', '/accounts/bob@example.test', { name: 'Taken' }],
    ['DELETE', '/accounts/bob@example.test'],
    ['POST', '/accounts/bob@example.test:suspend'],
    ['POST', '/accounts/bob@example.test:invite'],
    ['POST', '/accounts/bob@example.test:password', { password: 'a password of somebody else' }],
    ['GET', '/accounts/bob@example.test/devices'],
    ['GET', '/accounts/bob@example.test/logins'],
    ['GET', '/accounts/bob@example.test/sessions'],
    ['GET', '/accounts/bob@example.test/app-passwords'],
    ['GET', '/domains/example.test'],
    ['GET', '/domains/example.test/dkim'],
    ['GET', '/domains/example.test/zone'],
    ['POST', '/accounts', { address: 'new@example.test', password }],
  ]);
  for (const list of ['/accounts', '/traces', '/queue', '/sign-ins', '/audit', '/aliases', '/refusals']) {
    const answer = await call(page, 'GET', list);
    expect.soft(answer.status, list).toBe(200);
    expect.soft(JSON.stringify(answer.body), list).not.toMatch(/alice@example\.test|bob@example\.test/);
  }
  await must(page, 'POST', `/accounts/${people.user}:suspend`);
  await must(page, 'POST', `/accounts/${people.user}:resume`);
  expect(await server.run('account', 'show', 'bob@example.test')).not.toContain('Taken');
});

test('support looks and changes nothing', async ({ page, server }) => {
  const [alice] = server.ready.accounts;
  await enter(page, people.support);
  // It waits until try gives it up, after half a minute.
  await submit(server.ready, alice!, 'x@down.test', `From: <${alice!.address}>\nSubject: Waits\n\nHello`);
  await page.goto('/admin/mail/search');
  await page.getByRole('row').filter({ hasText: 'x@down.test' }).getByRole('link').first().click();
  const story = page.getByRole('dialog', { name: 'Story of a message' });
  await expect(story.getByRole('heading', { name: 'What happened' })).toBeVisible();
  await expect(story.getByRole('button', { name: 'Retry now' })).toHaveCount(0);
  await page.goto('/admin/mail/queue');
  await expect(page.getByText(/^\d+ messages? waits?/)).toBeVisible();
  await expect(page.getByRole('button', { name: 'Hold' })).toHaveCount(0);
  await page.goto('/admin/people/bob@example.test');
  await expect(page.getByText('Active', { exact: true }).first()).toBeVisible();
  await expect(page.getByRole('button', { name: 'Suspend' })).toHaveCount(0);
  await page.goto('/admin/system');
  await expect(page.getByRole('link', { name: 'Settings' })).toHaveCount(0);

  await refused(page, 403, forAdminsOnly);
  await refused(page, 403, [
    ['GET', '/audit'],
    ['PATCH', '/accounts/bob@example.test', { name: 'Taken' }],
    ['POST', '/accounts/bob@example.test:suspend'],
    ['POST', '/accounts/bob@example.test:invite'],
    ['POST', '/accounts', { address: 'new@example.test', password }],
    ['POST', '/aliases', { address: 'all@example.test', targets: ['bob@example.test'] }],
    ['PATCH', '/domains/example.test', { catchAll: people.support }],
    ['POST', '/bans:lift', { net: '127.0.0.1/32' }],
  ]);
});

test('a user has their own account and nothing else', async ({ page }) => {
  await enter(page, people.user);
  await page.goto('/admin/people');
  await page.waitForURL('**/account/**');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Mail programs');
  await expect(page.locator('a[href^="/admin"]')).toHaveCount(0);
  expect((await must(page, 'GET', '/me')).address).toBe(people.user);
  await refused(page, 403, forAdminsOnly);
  await refused(page, 403, [
    ['GET', '/overview'],
    ['GET', '/traces'],
    ['GET', '/refusals'],
    ['GET', '/queue'],
    ['GET', '/queue/groups'],
    ['GET', '/checks'],
    ['GET', '/deliverability'],
    ['GET', '/accounts'],
    ['GET', `/accounts/${people.user}`],
    ['GET', '/domains'],
    ['GET', '/sign-ins'],
    ['GET', '/audit'],
    ['GET', '/bans'],
    ['GET', '/events?topics=traces'],
    ['PATCH', `/accounts/${people.user}`, { role: 'owner' }],
  ]);
});
