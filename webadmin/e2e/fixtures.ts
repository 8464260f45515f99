import { AxeBuilder } from './axe';
import { expect, test as base, type Page } from '@playwright/test';
import { Server } from './server';

export { expect };

/** Arguments of the server of a test file: `test.use({ serverArgs: ['--setup'] })`. */
interface WorkerFixtures {
  serverArgs: string[];
  /** Files that the server finds in its data folder, by name. */
  serverFiles: Record<string, string>;
  server: Server;
}

interface Fixtures {
  /** What no page may do. It is empty at the end of each test, or the test fails. */
  offences: string[];
  axe: AxeBuilder;
}

export const test = base.extend<Fixtures, WorkerFixtures>({
  serverArgs: [[], { scope: 'worker', option: true }],
  serverFiles: [{}, { scope: 'worker', option: true }],

  server: [
    async ({ serverArgs, serverFiles }, use) => {
      const server = await Server.startWith(serverFiles, ...serverArgs);
      await use(server);
      await server.stop();
    },
    { scope: 'worker' },
  ],

  launchOptions: [
    async ({ server }, use) => {
      await use({
        executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
        args: [
          '--no-sandbox',
          `--ignore-certificate-errors-spki-list=${server.spki}`,
          `--host-resolver-rules=MAP localhost 127.0.0.1, MAP ${server.ready.hostname} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`,
        ],
      });
    },
    { scope: 'worker' },
  ],

  baseURL: async ({ server }, use) => use(server.origin),

  offences: [
    async ({ context, server }, use) => {
      const offences: string[] = [];
      await context.addInitScript(() => {
        document.addEventListener('securitypolicyviolation', (e) => {
          console.error(`CSP: ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber} ${e.sample}`);
        });
      });
      const watch = (page: Page) => {
        page.on('pageerror', (error) => offences.push(`error: ${error.message}`));
        page.on('console', (message) => {
          const text = message.text();
          // The browser logs each answer that is not 2xx; those are for the tests to judge.
          if (message.type() === 'error' && !text.startsWith('Failed to load resource')) offences.push(`console: ${text}`);
        });
      };
      context.on('page', watch);
      context.pages().forEach(watch);
      context.on('request', (request) => {
        const url = request.url();
        if (!url.startsWith(server.origin + '/') && !url.startsWith(server.home + '/') && !/^(data|blob|about):/.test(url)) offences.push(`foreign request: ${url}`);
      });
      await use(offences);
      expect(offences, 'no violation of the content security policy, no error, no request elsewhere').toEqual([]);
    },
    { auto: true },
  ],

  axe: async ({ page }, use) => use(new AxeBuilder(page)),
});

/** Signs in with a password, through the page. */
export async function signIn(page: Page, address: string, password: string, to = '/admin/') {
  await page.goto(to);
  await page.getByLabel('Address', { exact: false }).first().fill(address);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
}
