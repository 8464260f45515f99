import { fileURLToPath } from 'node:url';
import { defineConfig, mergeConfig } from 'vite';
import base from '../vite.config';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

// For work on pages: a server that reloads them, over the answers of dev/mock.mjs; and the kit, every part in every state, at
// /dev/kit/ or built into dev/dist.
export default mergeConfig(
  base,
  defineConfig({
    server: { proxy: { '/api': 'http://127.0.0.1:5180' } },
    build: { outDir: here('dist'), rollupOptions: { input: { kit: here('kit/index.html') } } },
  }),
);
