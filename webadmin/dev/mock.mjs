// A stand-in for the API while pages are written: serves dist with the headers of the real server, and made-up answers.
//   node dev/mock.mjs [PORT]        ?role=support in the URL of a page changes who is signed in, ?as=nobody signs out
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { fileURLToPath } from 'node:url';
import { live, routes, state } from './answers.mjs';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const types = { html: 'text/html; charset=utf-8', js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml', woff2: 'font/woff2' };
const source = await readFile(new URL('../../admin/api/pages.go', import.meta.url), 'utf8');
const policy = [...source.split('const policy = ')[1].split('\n\n')[0].matchAll(/"([^"]*)"/g)].map((m) => m[1]).join('');

const server = http.createServer(async (request, response) => {
  const url = new URL(request.url, 'http://localhost');
  try {
    if (url.pathname.startsWith('/api/v1/')) await api(request, response, url);
    else await file(request, response, url);
  } catch (err) {
    console.error(err);
    response.writeHead(500).end();
  }
});

async function file(request, response, url) {
  if (url.searchParams.has('role')) state.role = url.searchParams.get('role');
  if (url.searchParams.has('as')) state.signedIn = url.searchParams.get('as') !== 'nobody';
  if (url.pathname === '/') return response.writeHead(302, { Location: '/admin/' }).end();
  const entry = /^\/(admin|account|setup)(\/|$)/.exec(url.pathname)?.[1];
  const kit = fileURLToPath(new URL('./dist/', import.meta.url));
  const root = url.pathname.startsWith('/dev/') || request.headers.referer?.includes('/dev/') ? kit : dist;
  const name = url.pathname === '/dev/kit/' ? 'dev/kit/index.html' : entry ? `${entry}/index.html` : url.pathname.slice(1);
  try {
    const body = await readFile(root + name);
    response.writeHead(200, { 'Content-Type': types[name.split('.').pop()] ?? 'application/octet-stream', 'Content-Security-Policy': policy, 'X-Content-Type-Options': 'nosniff' }).end(body);
  } catch {
    response.writeHead(404, { 'Content-Type': 'text/plain' }).end('not found');
  }
}

async function api(request, response, url) {
  let text = '';
  for await (const chunk of request) text += chunk;
  const path = url.pathname.slice('/api/v1'.length);
  const say = (status, body, headers = {}) => {
    const type = status >= 400 ? 'application/problem+json' : 'application/json';
    response.writeHead(status, { 'Content-Type': type, 'X-App-Version': state.version, 'Cache-Control': 'no-store', ...headers });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  };
  if (path === '/events') return stream(response);
  for (const [method, pattern, answer] of routes) {
    const found = method === request.method && new RegExp(`^${pattern.replace(/\{\w+\}/g, '([^/]+?)')}$`).exec(path);
    if (found) return say(...(await answer({ query: url.searchParams, body: text ? JSON.parse(text) : {}, params: found.slice(1).map(decodeURIComponent) })));
  }
  say(404, { code: 'not-found', title: 'Not found', detail: `The mock has no ${request.method} ${path}.`, status: 404 });
}

function stream(response) {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  response.write('retry: 3000\n\n');
  const send = (event) => response.write(`id: ${event.id}\nevent: ${event.event}\ndata: ${JSON.stringify(event.data)}\n\n`);
  state.listeners.add(send);
  const beat = setInterval(() => response.write(': beat\n\n'), 15_000);
  response.on('close', () => {
    clearInterval(beat);
    state.listeners.delete(send);
  });
}

const port = Number(process.argv[2] ?? 5180);
live();
server.listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${port}/admin/`));
