import type { Page } from '@playwright/test';
import { expect, signIn, test } from './fixtures';
import { imap } from './imap';

/** Puts a security key into the browser that answers at once. */
async function addAuthenticator(page: Page) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('WebAuthn.enable');
  await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
  });
}

test('from the invitation to a device that reads mail, and back', async ({ page, browser, server, axe, offences }) => {
  const address = 'anna@example.test';
  const password = 'seven purple lamps by the river';

  await signIn(page, server.ready.admin.user, server.ready.admin.password);
  await expect(page).toHaveURL(/\/admin\//);
  const link = await page.evaluate(async (address) => {
    const post = (path: string, body: object) =>
      fetch('/api/v1' + path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }).then((r) => r.json());
    await post('/accounts', { address, name: 'Anna Berg' });
    return (await post(`/accounts/${address}:invite`, {})).url as string;
  }, address);

  await test.step('the invitation sets a password and works once', async () => {
    await page.context().clearCookies();
    await page.goto(link);
    await expect(page.getByRole('heading', { name: 'Welcome' })).toBeVisible();
    expect(page.url(), 'the secret leaves the address bar').not.toContain('#');
    expect(await axe.serious()).toEqual([]);
    await page.getByLabel('New password', { exact: true }).fill('short');
    await page.getByLabel('The same again').fill('short');
    await page.getByRole('button', { name: 'Set the password' }).click();
    await expect(page.getByText(/password/i).filter({ hasText: /at least|too short|longer/i }).first()).toBeVisible();
    await page.getByLabel('New password', { exact: true }).fill(password);
    await page.getByLabel('The same again').fill(password);
    await page.getByRole('button', { name: 'Set the password' }).click();
    await expect(page.getByRole('heading', { name: 'Mail programs' })).toBeVisible();

    const again = await browser.newContext({ baseURL: server.origin });
    const other = await again.newPage();
    await other.goto(link);
    await expect(other.getByRole('heading', { name: 'This link does not work' })).toBeVisible();
    await again.close();
  });

  await test.step('a passkey signs in', async () => {
    await addAuthenticator(page);
    await page.goto('/account/security');
    await page.getByRole('button', { name: 'Add a passkey' }).click();
    await page.getByLabel('Name').fill('Test key');
    await page.getByRole('button', { name: 'Continue' }).click();
    await expect(page.getByText('Test key')).toBeVisible();
    expect(await axe.serious()).toEqual([]);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
    expect(await axe.serious()).toEqual([]);
    await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
    await expect(page.getByRole('heading', { name: 'Mail programs' })).toBeVisible();
  });

  await test.step('an app password reads mail until it is taken back', async () => {
    await page.getByRole('button', { name: 'Add a device' }).click();
    await page.getByLabel('What is it for?').fill('My phone');
    await page.getByRole('button', { name: 'Make the password' }).click();
    const dialog = page.getByRole('dialog');
    await expect(dialog.getByRole('img', { name: /QR code/ })).toBeVisible();
    const secret = (await dialog.locator('code').first().textContent())!.trim();
    expect(await axe.serious()).toEqual([]);
    await dialog.getByRole('button', { name: 'Done' }).click();

    const lines = await imap(server.ready, { address, password: secret }, 'SELECT INBOX');
    expect(lines.join('\n')).toContain('EXISTS');
    await page.reload();
    await expect(page.getByRole('row').filter({ hasText: 'My phone' }).first()).toContainText('127.0.0.1');

    await page.getByRole('button', { name: 'Take back My phone' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Take back' }).click();
    await expect(page.getByText('No app passwords yet')).toBeVisible();
    await expect(imap(server.ready, { address, password: secret })).rejects.toThrow(/NO/);
    await imap(server.ready, { address, password }); // the account's own still works
  });

  await test.step('codes from an app, and a recovery code', async () => {
    await page.goto('/account/security');
    await page.getByRole('button', { name: 'Turn on' }).click();
    const dialog = page.getByRole('dialog');
    const secret = (await dialog.locator('code').first().textContent())!.trim();
    await dialog.getByLabel('The six digits that it shows').fill(await totp(secret));
    await dialog.getByRole('button', { name: 'Turn on' }).click();
    const codes = page.getByRole('dialog', { name: 'Keep these recovery codes' });
    const code = (await codes.locator('li code').first().textContent())!.trim();
    await codes.getByRole('button', { name: 'I have kept them' }).click();
    await expect(page.getByText('On: after your password a code is asked for.')).toBeVisible();

    await page.getByRole('button', { name: 'Sign out' }).click();
    await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
    await signIn(page, address, password, '/account/');
    await expect(page.getByRole('heading', { name: 'Enter the code' })).toBeVisible();
    await page.getByRole('button', { name: 'Use a recovery code' }).click();
    await page.getByRole('textbox').fill(code);
    await page.getByRole('button', { name: 'Continue' }).click();
    await expect(page.getByRole('heading', { name: 'Mail programs' })).toBeVisible();
  });
  expect(offences).toEqual([]);
});

/** RFC 6238 with SHA-1, 30 seconds and six digits. */
async function totp(secret: string): Promise<string> {
  const { createHmac } = await import('node:crypto');
  const bits = [...secret.replace(/[^A-Z2-7]/gi, '').toUpperCase()].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g)!.map((b) => parseInt(b, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const sum = createHmac('sha1', key).update(counter).digest();
  const at = sum[19]! & 0xf;
  return String((sum.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}
