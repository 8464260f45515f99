import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Plugin } from 'vite';

// licenses writes licenses.txt: the licence of every package that has a part in what was built.
export function licenses(): Plugin {
  const folders = new Set<string>();
  return {
    name: 'licenses',
    apply: 'build',
    // Fonts are not modules of a bundle: they are found where the style sheet asks for them.
    load(id) {
      if (id.endsWith('/kit/base.css')) {
        for (const [, name] of readFileSync(id, 'utf8').matchAll(/url\('(@[^/]+\/[^/]+)\//g)) folders.add(join(import.meta.dirname, 'node_modules', name!));
      }
    },
    generateBundle(_, bundle) {
      for (const chunk of Object.values(bundle)) {
        if (chunk.type === 'chunk') chunk.moduleIds.map(packageFolder).forEach((folder) => folder && folders.add(folder));
      }
      const source = [...folders].sort().map(notice).join(`\n${'-'.repeat(80)}\n\n`);
      this.emitFile({ type: 'asset', fileName: 'licenses.txt', source });
    },
  };
}

function packageFolder(id: string): string | undefined {
  if (!id.includes('/node_modules/')) return undefined;
  let folder = dirname(id.replace(/^\0/, '').split('?')[0]!);
  while (!existsSync(join(folder, 'package.json')) || !JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version) folder = dirname(folder);
  return folder;
}

function notice(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  return `${name} ${version} (${license})\n\n${file ? readFileSync(join(folder, file), 'utf8').trim() : ''}\n`;
}
