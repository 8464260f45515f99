import { createInterface } from 'node:readline';
import { connect } from 'node:tls';
import { port, roots, type Ready } from './server';

/** Runs commands after a login by IMAP over TLS and returns all lines that came. It fails unless each was answered with OK. */
export function imap(ready: Ready, login: { address: string; password: string }, ...commands: string[]): Promise<string[]> {
  return new Promise((done, fail) => {
    const socket = connect({ host: '127.0.0.1', port: port(ready.imaps), servername: ready.hostname, ca: roots(ready) });
    const all = [`LOGIN "${login.address}" "${login.password}"`, ...commands, 'LOGOUT'];
    const lines: string[] = [];
    let at = 0; // the command that is under way
    socket.on('error', fail);
    socket.setTimeout(20_000, () => socket.destroy(new Error('the IMAP server does not answer')));
    const say = () => socket.write(`a${at + 1} ${all[at++]}\r\n`);
    createInterface({ input: socket }).on('line', (line) => {
      lines.push(line);
      if (at === 0) return say(); // the greeting
      if (!line.startsWith(`a${at} `)) return;
      if (!line.startsWith(`a${at} OK`)) {
        socket.end();
        return fail(new Error(line));
      }
      if (at < all.length) return say();
      socket.end();
      done(lines);
    });
  });
}

/** The subjects in the inbox of somebody, with dates and flags; '' when there are none. */
export async function inbox(ready: Ready, login: { address: string; password: string }): Promise<string> {
  const lines = await imap(ready, login, 'STATUS INBOX (MESSAGES)');
  if (lines.some((line) => /MESSAGES 0\)/.test(line))) return '';
  return (await imap(ready, login, 'EXAMINE INBOX', 'FETCH 1:* (INTERNALDATE FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])')).join('\n');
}

/** The SHA-256 of the certificate that the IMAP server shows, in hex. */
export function fingerprint(ready: Ready): Promise<string> {
  return new Promise((done, fail) => {
    const socket = connect({ host: '127.0.0.1', port: port(ready.imaps), servername: ready.hostname, ca: roots(ready) }, () => {
      done(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
    socket.on('error', fail);
  });
}
