import { createInterface, type Interface } from 'node:readline';
import { connect as dial, type Socket } from 'node:net';
import { connect as dialTLS } from 'node:tls';
import { port, roots, type Login, type Ready } from './server';

/** Where the simulated bigmail.test sends from: its SPF record allows no other address. */
export const bigmail = '127.0.81.1';

/** Sends a message as another server does, on port 25. It returns the last reply, which need not be good. */
export async function receive(ready: Ready, from: string, to: string, message: string, localAddress = '127.0.0.1'): Promise<string> {
  const name = localAddress === bigmail ? 'mx.bigmail.test' : 'sender.test';
  return converse(dial({ host: '127.0.0.1', port: port(ready.smtp), localAddress }), [`EHLO ${name}`, `MAIL FROM:<${from}>`, `RCPT TO:<${to}>`, 'DATA', body(message)]);
}

/** Sends a message as a person does, with login, on port 465. */
export async function submit(ready: Ready, who: Login, to: string, message: string): Promise<string> {
  const socket = dialTLS({ host: '127.0.0.1', port: port(ready.submissions), servername: ready.hostname, ca: roots(ready) });
  const plain = Buffer.from(`\0${who.address}\0${who.password}`).toString('base64');
  return converse(socket, ['EHLO client.test', `AUTH PLAIN ${plain}`, `MAIL FROM:<${who.address}>`, `RCPT TO:<${to}>`, 'DATA', body(message)]);
}

const body = (message: string) => `${message.replace(/\r?\n/g, '\r\n').replace(/^\./gm, '..')}\r\n.`;

/** Says one line after each good reply and ends at the first that is not. */
async function converse(socket: Socket, say: string[]): Promise<string> {
  socket.setTimeout(20_000, () => socket.destroy(new Error('the SMTP server does not answer')));
  const failed = new Promise<never>((_, fail) => socket.once('error', fail));
  const replies = readReplies(createInterface({ input: socket }));
  const next = async () => (await Promise.race([replies.next(), failed])).value as string;
  try {
    let reply = await next();
    for (const line of say) {
      if (!/^[23]/.test(reply)) break;
      socket.write(`${line}\r\n`);
      reply = await next();
    }
    return reply;
  } finally {
    socket.end('QUIT\r\n');
  }
}

async function* readReplies(lines: Interface): AsyncGenerator<string> {
  for await (const line of lines) if (/^\d{3} /.test(line)) yield line;
}
