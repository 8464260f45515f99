import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { root } from './server';

/** Takes a picture for the documentation, when asked to: for pages that need a server of another kind than screenshots.spec.ts has. */
export async function picture(page: Page, name: string) {
  if (!process.env.MAILSTEAD_SCREENSHOTS) return;
  const folder = join(root, 'docs/screenshots');
  mkdirSync(folder, { recursive: true });
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await page.screenshot({ path: join(folder, `${name}.png`), animations: 'disabled' });
}
