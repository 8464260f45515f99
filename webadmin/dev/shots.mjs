// Takes pictures of pages, to look at, and reports what axe and the content security policy find.
//   node dev/shots.mjs http://127.0.0.1:5180 OUT name=/path …
// With SIGN_IN=address:password it signs in first, for a real server.
import { chromium } from '@playwright/test';
import { readFile } from 'node:fs/promises';

const [origin, out, ...wanted] = process.argv.slice(2);
const axe = await readFile(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
const kinds = {
  desktop: { viewport: { width: 1360, height: 860 }, colorScheme: 'light' },
  dark: { viewport: { width: 1360, height: 860 }, colorScheme: 'dark' },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: 'light', hasTouch: true, isMobile: true, deviceScaleFactor: 2 },
};
for (const [kind, options] of Object.entries(kinds)) {
  const context = await browser.newContext({ ...options, ignoreHTTPSErrors: true });
  if (process.env.SIGN_IN) await signIn(context);
  for (const item of wanted) {
    const [name, path] = [item.slice(0, item.indexOf('=')), item.slice(item.indexOf('=') + 1)];
    const page = await context.newPage();
    page.on('console', (m) => ['error', 'warning'].includes(m.type()) && console.log(`${name} ${kind}: ${m.text()}`));
    page.on('pageerror', (e) => console.log(`${name} ${kind}: ${e}`));
    page.on('request', (r) => !r.url().startsWith(origin) && !r.url().startsWith('data:') && console.log(`${name} ${kind}: foreign request ${r.url()}`));
    await page.goto(origin + path);
    await page.waitForTimeout(900);
    await page.screenshot({ path: `${out}/${name}-${kind}.png`, fullPage: Boolean(process.env.FULL) });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) console.log(`${name} ${kind}: ${wide} px too wide`);
    await page.evaluate(axe);
    const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
    for (const v of found.violations) console.log(`${name} ${kind}: axe ${v.impact} ${v.id}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 140) + ' ' + (n.any[0]?.message ?? '')).join(' | ')}`);
    await page.close();
  }
  await context.close();
}
await browser.close();

async function signIn(context) {
  const [address, password] = process.env.SIGN_IN.split(':');
  const page = await context.newPage();
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && console.log(`sign-in: ${m.text()}`));
  await page.goto(`${origin}/account/sign-in`);
  await page.getByLabel('Address').fill(address);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.waitForURL(/\/(admin|account)\/$/);
  await page.close();
}
