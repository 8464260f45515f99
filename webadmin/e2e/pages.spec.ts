import { expect, signIn, test } from './fixtures';
import type { Server } from './server';
import { receive, submit } from './smtp';

// Every page of the console, in both themes, on a phone and on a narrow screen: it comes, says its name, fits, and axe finds nothing.
const pages = [
  { path: '/admin/', heading: 'Overview' },
  { path: '/admin/mail', heading: 'Mail flow' },
  { path: '/admin/mail/search', heading: 'Mail flow' },
  { path: '/admin/mail/refusals', heading: 'Mail flow' },
  { path: '/admin/mail/quarantine', heading: 'Mail flow' },
  { path: '/admin/mail/queue', heading: 'Mail flow' },
  { path: '/admin/mail/junk', heading: 'Mail flow' },
  { path: '/admin/domains', heading: 'Domains' },
  { path: '/admin/domains/example.test', heading: 'example.test' },
  { path: '/admin/domains/example.test/dns', heading: 'example.test' },
  { path: '/admin/domains/example.test/dkim', heading: 'example.test' },
  { path: '/admin/domains/example.test/policies', heading: 'example.test' },
  { path: '/admin/domains/example.test/junk', heading: 'example.test' },
  { path: '/admin/domains/example.test/people', heading: 'example.test' },
  { path: '/admin/people', heading: 'People' },
  { path: '/admin/people/aliases', heading: 'People' },
  { path: '/admin/people/import', heading: 'People' },
  { path: '/admin/people/resolve?address=alice@example.test', heading: 'People' },
  { path: '/admin/people/alice@example.test', heading: 'alice@example.test' },
  { path: '/admin/people/alice@example.test/devices', heading: 'alice@example.test' },
  { path: '/admin/people/alice@example.test/junk', heading: 'alice@example.test' },
  { path: '/admin/people/alice@example.test/sign-ins', heading: 'alice@example.test' },
  { path: '/admin/deliverability', heading: 'Deliverability' },
  { path: '/admin/deliverability/dmarc', heading: 'Deliverability' },
  { path: '/admin/deliverability/tls', heading: 'Deliverability' },
  { path: '/admin/security', heading: 'Security' },
  { path: '/admin/security/bans', heading: 'Security' },
  { path: '/admin/security/roles', heading: 'Security' },
  { path: '/admin/security/keys', heading: 'Security' },
  { path: '/admin/security/audit', heading: 'Security' },
  { path: '/admin/system', heading: 'System' },
  { path: '/admin/system/certificates', heading: 'System' },
  { path: '/admin/system/dns-providers', heading: 'System' },
  { path: '/admin/system/storage', heading: 'System' },
  { path: '/admin/system/backups', heading: 'System' },
  { path: '/admin/system/imports', heading: 'System' },
  { path: '/admin/system/alerts', heading: 'System' },
  { path: '/admin/system/webhooks', heading: 'System' },
  { path: '/admin/system/logs', heading: 'System' },
  { path: '/admin/system/logs?q=alice&level=info&follow=1', heading: 'System' },
  { path: '/admin/system/updates', heading: 'System' },
  { path: '/admin/system/about', heading: 'System' },
  { path: '/admin/system/settings', heading: 'System' },
  { path: '/admin/system/settings/queue.expire', heading: 'System' },
  { path: '/admin/nowhere', heading: 'There is no such page' },
];

const looks = {
  light: { colorScheme: 'light', viewport: { width: 1360, height: 860 } },
  dark: { colorScheme: 'dark', viewport: { width: 1360, height: 860 } },
  phone: { colorScheme: 'light', viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
  narrow: { colorScheme: 'dark', viewport: { width: 320, height: 700 } },
} as const;

test.beforeAll(async ({ server }) => fill(server));

async function fill({ ready }: Server): Promise<void> {
  const [alice] = ready.accounts;
  const message = (subject: string) => `From: <${alice!.address}>\nSubject: ${subject}\n\nHello`;
  await submit(ready, alice!, 'bob@example.test', message('Lunch?'));
  await submit(ready, alice!, 'x@down.test', message('Down'));
  expect(await receive(ready, 'kim@bigmail.test', 'nobody@example.test', 'Subject: Who?\n\nHello')).toMatch(/^550 5\.1\.1/);
}

for (const [name, look] of Object.entries(looks)) {
  test.describe(name, () => {
    test.use(look);

    test('sign-in', async ({ page, axe }) => {
      await page.goto('/account/sign-in');
      await expect(page.getByRole('heading', { level: 1 })).toHaveText('Sign in');
      expect(await axe.serious()).toEqual([]);
    });

    test('pages', async ({ page, server, axe }) => {
      test.setTimeout(pages.length * 15_000);
      await signIn(page, server.ready.admin.user, server.ready.admin.password);
      await page.waitForURL('**/admin/');
      for (const { path, heading } of pages) {
        await test.step(path, async () => {
          await page.goto(path);
          await expect(page.getByRole('heading', { level: 1 })).toHaveText(heading);
          await expect(page).toHaveTitle(`${heading} · ${server.ready.hostname}`);
          await expect(page.locator('[aria-busy=true]')).toHaveCount(0);
          expect(await axe.serious()).toEqual([]);
          expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 'pixels too wide').toBeLessThanOrEqual(0);
        });
      }
    });
  });
}

test('a user has no console', async ({ page, server }) => {
  const [alice] = server.ready.accounts;
  await signIn(page, alice!.address, alice!.password, '/account/sign-in');
  await expect(page.getByRole('heading', { name: 'Mail programs' })).toBeVisible();
  await page.goto('/admin/mail/queue', { waitUntil: 'commit' });
  await expect(page.getByRole('heading', { name: 'Mail programs' })).toBeVisible();
  expect(new URL(page.url()).pathname).toBe('/account/');
});

test('signing in leads to the page that was asked for', async ({ page, server }) => {
  await signIn(page, server.ready.admin.user, server.ready.admin.password, '/admin/mail/queue?q=x');
  await page.waitForURL('**/admin/mail/queue?q=x');
});

test('signing in does not lead to another site', async ({ page, server }) => {
  const next = encodeURIComponent('//elsewhere.example/x');
  await signIn(page, server.ready.admin.user, server.ready.admin.password, `/account/sign-in?next=${next}`);
  await page.waitForURL(`${server.origin}/admin/`);
});
