import { expect, signIn, test } from './fixtures';
import { dmarcReport, reportMail, tlsReport } from './reports';
import { bigmail, receive } from './smtp';

// Reports of others come by mail and are read by the server; the pages say what they mean.

test('a DMARC report that is mailed in becomes bars and named sources', async ({ page, server, axe }) => {
  const { ready } = server;
  const to = 'dmarc-reports@example.test';
  const send = async (file: string, from = 'dmarc@bigmail.test', address = bigmail) => expect(await receive(ready, from, to, reportMail(from, to, file), address)).toMatch(/^250/);
  for (const day of [9, 8, 7, 6, 5, 4, 2, 1])
    await send(dmarcReport('example.test', day, [
      { ip: '127.0.0.1', count: 10 + day, pass: true },
      { ip: '198.51.100.77', count: 3, pass: false, disposition: 'reject' },
    ]));
  // Nothing proves who sent this one: it is listed, and does not count.
  await send(dmarcReport('example.test', 1, [{ ip: '192.0.2.1', count: 9000, pass: false }], 'Nobody <b>'), 'x@stranger.test', '127.0.0.1');

  await signIn(page, ready.admin.user, ready.admin.password);
  await page.waitForURL('**/admin/');
  await page.goto('/admin/deliverability');
  await page.getByRole('link', { name: 'DMARC reports' }).click();
  await page.waitForURL('**/deliverability/dmarc');
  await page.goto('/admin/deliverability/dmarc?domain=example.test'); // other tests add domains
  await expect(page.getByText(/^Safe to go to p=quarantine/)).toBeVisible();
  await expect(page.getByText('The policy in the DNS is p=none')).toBeVisible();
  // 8 days: 10 × 8 + (9+8+7+6+5+4+2+1) passed, and 24 did not.
  await expect(page.getByText('84 % of 146 messages passed')).toBeVisible();
  await expect(page.getByRole('row').filter({ hasText: 'Passes' }).first()).toContainText('122');
  const forged = page.getByRole('row').filter({ hasText: '198.51.100.77' });
  await expect(forged).toContainText('Forged');
  await expect(forged).toContainText('24');
  await expect(page.getByRole('row').filter({ hasText: '192.0.2.1' })).toHaveCount(0);

  const chart = page.getByRole('figure', { name: 'Messages by day that passed and failed DMARC' });
  await expect(chart.locator('svg g')).toHaveCount(9); // with the day without a report
  await chart.getByText('Show as table').click();
  await expect(chart.getByRole('row')).toHaveCount(10);
  await expect(chart.getByRole('row').nth(1)).toContainText('19');
  await page.getByText('The newest 9 reports').click();
  await expect(page.getByText('Nobody <b>')).toBeVisible();
  await expect(page.getByText('does not count', { exact: true })).toHaveCount(1);
  expect(await axe.serious()).toEqual([]);

  await page.getByRole('link', { name: 'Nobody <b>' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'DMARC report' })).toBeVisible();
  await expect(page.getByRole('row').filter({ hasText: '192.0.2.1' })).toContainText('9,000');
  expect(await axe.serious()).toEqual([]);
  await page.goBack();
  await page.getByRole('link', { name: 'Sent reports' }).click();
  await expect(page.getByText('No report was sent yet')).toBeVisible();
  await page.goBack();

  await page.getByRole('button', { name: '7 days' }).click();
  await expect(chart.locator('svg g')).toHaveCount(7);
  expect(new URL(page.url()).searchParams.get('span')).toBe('7d');
});

test('a TLS report says what failed, and why', async ({ page, server, axe }) => {
  const { ready } = server;
  const to = 'dmarc-reports@example.test';
  for (const [day, bad] of [[3, 0], [2, 4], [1, 0]] as const)
    expect(await receive(ready, 'tls@bigmail.test', to, reportMail('tls@bigmail.test', to, tlsReport('example.test', day, 40, bad)), bigmail)).toMatch(/^250/);
  await signIn(page, ready.admin.user, ready.admin.password);
  await page.waitForURL('**/admin/');
  await page.goto('/admin/deliverability/tls?domain=example.test');
  const failures = page.getByRole('region', { name: 'What failed' });
  await expect(failures).toContainText('certificate-expired');
  await expect(failures).toContainText('The certificate had expired.');
  await expect(failures).toContainText('4 connections');
  const chart = page.getByRole('figure', { name: 'Connections by day that were encrypted and that failed' });
  await chart.getByText('Show as table').click();
  await expect(chart.getByRole('row').nth(2)).toHaveText(/40\s*4/);
  expect(await axe.serious()).toEqual([]);
});

test('a domain without reports says when they will come', async ({ page, server }) => {
  await server.run('domain', 'add', 'quiet.test');
  await signIn(page, server.ready.admin.user, server.ready.admin.password);
  await page.waitForURL('**/admin/');
  await page.goto('/admin/deliverability/dmarc?domain=quiet.test');
  await expect(page.getByText('No reports of this time')).toBeVisible();
  await page.getByRole('link', { name: 'TLS reports' }).click();
  await page.getByRole('combobox', { name: 'Domain' }).selectOption('quiet.test');
  await expect(page.getByText('No reports of this time')).toBeVisible();
});
