import { execFileSync } from 'node:child_process';
import { binary, root } from './server';

/** Builds the binary that all tests drive, once. */
export default function build() {
  execFileSync('go', ['build', '-o', binary, './cmd/mailstead'], { cwd: root, stdio: 'inherit' });
}
