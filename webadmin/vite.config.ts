import { svelte } from '@sveltejs/vite-plugin-svelte';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { licenses } from './licenses.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

// One build with three pages: the console, the account pages, the first-run wizard.
// Nothing is inlined: the content security policy allows neither inline scripts nor inline styles.
export default defineConfig({
  root: here('.'),
  base: '/',
  publicDir: here('public'),
  plugins: [svelte(), licenses()],
  resolve: { alias: { $kit: here('src/kit'), $api: here('src/api'), $junk: here('src/junk') } },
  build: {
    outDir: here('dist'),
    emptyOutDir: true,
    target: ['chrome123', 'firefox128', 'safari17.5'], // the first that know light-dark()
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rollupOptions: {
      input: { admin: here('admin/index.html'), account: here('account/index.html'), setup: here('setup/index.html') },
    },
  },
  test: { include: ['src/**/*.test.ts', 'test/**/*.test.ts'] },
});
