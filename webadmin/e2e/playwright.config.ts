import { defineConfig } from '@playwright/test';

// The browser is Debian's; the server is the real binary in try mode, started by fixtures.ts.
export default defineConfig({
  testDir: '.',
  outputDir: '../test-results',
  timeout: 60_000,
  expect: { timeout: 15_000 },
  fullyParallel: false,
  workers: 2,
  forbidOnly: !!process.env.CI,
  // On a busy machine a test may need a second try; it is then told as flaky.
  retries: process.env.CI ? 1 : 0,
  reporter: [['list']],
  globalSetup: './build.ts',
  use: {
    actionTimeout: 15_000,
    navigationTimeout: 15_000,
    locale: 'en-GB',
    timezoneId: 'UTC',
    // A trace costs half of the time again; for a test that fails: npm run e2e -- --trace on FILE
    trace: 'on-first-retry',
  },
});
