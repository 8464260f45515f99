import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { connect } from 'node:tls';

export const root = resolve(import.meta.dirname, '../..');
export const binary = resolve(import.meta.dirname, '../test-results/bin/mailstead');

export interface Login {
  address: string;
  password: string;
}

/** What `mailstead try --json` prints. */
export interface Ready {
  hostname: string;
  data: string;
  admin: { url: string; user: string; password: string };
  accounts: Login[];
  smtp: string;
  submission: string;
  submissions: string;
  imap: string;
  imaps: string;
  https: string;
  http: string;
  ca: string;
  pid: number;
  [more: string]: unknown;
}

/** A running server with a data folder of its own. */
export class Server {
  private constructor(
    readonly ready: Ready,
    readonly spki: string,
    private readonly process: ChildProcess,
    private readonly folder: string,
    private readonly said: string[],
  ) {}

  /** The address of the pages, as the links of `try` have it. */
  get origin(): string {
    return `https://localhost:${port(this.ready.https)}`;
  }

  /** The pages under the name of the server, where they are after a first run. */
  get home(): string {
    return `https://${this.ready.hostname}:${port(this.ready.https)}`;
  }

  /** All that the server has logged. */
  get log(): string {
    return this.said.join('');
  }

  static async start(...args: string[]): Promise<Server> {
    return Server.startWith({}, ...args);
  }

  /** Starts a server that finds files in its data folder. */
  static async startWith(files: Record<string, string>, ...args: string[]): Promise<Server> {
    const folder = mkdtempSync(join(tmpdir(), 'mailstead-e2e-'));
    mkdirSync(join(folder, 'data'), { mode: 0o700 });
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, 'data', name), content);
    const offset = await freeOffset();
    const process = spawn(binary, ['try', '--json', '--dir', join(folder, 'data'), '--port-offset', String(offset), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const said: string[] = [];
    process.stderr!.on('data', (chunk: Buffer) => {
      said.push(chunk.toString());
      if (said.length > 5000) said.shift();
    });
    const line = await firstLine(process, said);
    const ready = JSON.parse(line) as Ready;
    const keys = [await spkiOf(ready.https)];
    for (const root of roots(ready)) keys.push(hashOf(new X509Certificate(root)));
    return new Server(ready, keys.join(','), process, folder, said);
  }

  async stop(): Promise<void> {
    if (this.process.exitCode === null) {
      const ended = new Promise((done) => this.process.once('exit', done));
      this.process.kill('SIGTERM');
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Runs the command line on this server; it fails as the command does. */
  async run(...args: string[]): Promise<string> {
    return command([...args, '--data', this.ready.data]);
  }
}

/** Runs the binary and returns what it prints on standard output. */
export function command(args: string[], input = ''): Promise<string> {
  return new Promise((done, fail) => {
    const child = spawn(binary, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.on('data', (b: Buffer) => (out += b));
    child.stderr.on('data', (b: Buffer) => (err += b));
    child.on('error', fail);
    child.on('exit', (code) => (code === 0 ? done(out) : fail(new Error(`mailstead ${args.join(' ')}: exit ${code}\n${err}`))));
    child.stdin.end(input);
  });
}

export function port(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1));
}

function firstLine(process: ChildProcess, said: string[]): Promise<string> {
  return new Promise((done, fail) => {
    const lines = createInterface({ input: process.stdout! });
    lines.once('line', done);
    process.once('exit', (code) => fail(new Error(`mailstead try ended with ${code}\n${said.join('')}`)));
    process.once('error', fail);
  });
}

/** Finds an offset at which the ports of all services are free. */
async function freeOffset(): Promise<number> {
  for (let tries = 0; tries < 50; tries++) {
    const offset = 20_000 + Math.floor(Math.random() * 300) * 100;
    const ports = [25, 53, 80, 110, 143, 443, 465, 587, 993, 995, 4190].map((p) => p + offset);
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return offset;
  }
  throw new Error('no free ports');
}

function isFree(p: number): Promise<boolean> {
  return new Promise((done) => {
    const s = createServer();
    s.once('error', () => done(false));
    s.listen(p, '127.0.0.1', () => s.close(() => done(true)));
  });
}

/** The roots that programs have to know to trust the server: its own, and that of a first run's authority. */
export function roots(ready: Ready): Buffer[] {
  const authority = (ready.setup as { authority?: string } | undefined)?.authority;
  return [ready.ca, authority].filter((file) => file !== undefined).map((file) => readFileSync(file));
}

function hashOf(certificate: X509Certificate): string {
  return createHash('sha256').update(certificate.publicKey.export({ type: 'spki', format: 'der' })).digest('base64');
}

/** The hash of the certificate's public key: the browser is told to trust just that. */
function spkiOf(address: string): Promise<string> {
  return new Promise((done, fail) => {
    const socket = connect({ host: '127.0.0.1', port: port(address), rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] }, () => {
      const certificate = new X509Certificate(socket.getPeerCertificate().raw);
      socket.destroy();
      done(hashOf(certificate));
    });
    socket.once('error', fail);
  });
}
