import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Login, Ready, Server } from './server';

// The simulated Internet around `mailstead try --setup`, which only tests can change.

/** What a first run prints beside the rest: its link, where the world is changed, and who changes the zone. */
interface FirstRun {
  url: string;
  control: string;
  primary: { server: string; login: string; secret: string };
}

export const firstRun = (ready: Ready) => ready.setup as FirstRun;

/** Changes the simulated world. The browser knows nothing of it. */
export async function world(ready: Ready, method: string, path: string, body?: string): Promise<string> {
  const response = await fetch(firstRun(ready).control + path, { method, body });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text;
}

export const publish = (ready: Ready, ...records: string[]) => world(ready, 'POST', '/zone', records.join('\n'));

const addresses = ['mail.example.test. 300 IN A 127.0.0.1', 'autoconfig.example.test. 300 IN CNAME mail.example.test.'];

/** Sets the server up with a certificate of the simulated authority, without the wizard's pages; it returns the owner. */
export async function setUp(server: Server): Promise<Login> {
  const { ready } = server;
  await publish(ready, ...addresses);
  const owner = { address: 'ana@example.test', password: 'seven purple lamps by the river' };
  const file = join(ready.data, 'answers.toml');
  writeFileSync(file, `address = "${owner.address}"\nname = "Ana Berg"\npassword = "${owner.password}"\nhost = "${ready.hostname}"\naccept_terms = true\n`);
  await server.run('setup', '--config', join(ready.data, 'mailstead.toml'), '--answers', file);
  return owner;
}
