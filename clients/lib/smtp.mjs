// A mail server of the tests: it takes every mail, and keeps it for whoever waits for one.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { Inbox } from './inbox.mjs';

// MailServer is one. Its inbox has the mails in the order in which they came.
export class MailServer {
  inbox = new Inbox();
  #server;
  #open = new Set();

  static async start() {
    const mails = new MailServer();
    mails.#server = createServer((socket) => mails.#talk(socket));
    mails.#server.listen(0, '127.0.0.1');
    await once(mails.#server, 'listening');
    mails.url = `smtp://127.0.0.1:${mails.#server.address().port}?tls=none`;
    return mails;
  }

  #talk(socket) {
    this.#open.add(socket);
    socket.setEncoding('latin1');
    socket.on('error', () => {}); // close follows
    socket.on('close', () => this.#open.delete(socket));
    const answer = (line) => socket.write(`${line}\r\n`);
    let buffer = '';
    let to; // whom the mail is for that is on its way, and content whether it has begun
    let content = false;
    answer('220 localhost');
    socket.on('data', (text) => {
      buffer += text;
      for (;;) {
        const end = buffer.indexOf(content ? '\r\n.\r\n' : '\r\n');
        if (end < 0) return;
        const said = buffer.slice(0, end);
        buffer = buffer.slice(end + (content ? 5 : 2));
        if (content) {
          content = false;
          this.inbox.push(mailOf(to, said.replaceAll('\r\n..', '\r\n.')));
          answer('250 2.0.0 taken');
          continue;
        }
        const [verb] = said.toUpperCase().split(' ');
        if (verb === 'RCPT') to = /<(.*)>/.exec(said)[1];
        content = verb === 'DATA';
        if (content) answer('354 go on');
        else if (verb === 'QUIT') socket.end('221 bye\r\n');
        else answer('250 2.0.0 ok');
      }
    });
  }

  // mail waits for the mail to an address, the last of those that came.
  async mail(address) {
    const to = (mail) => mail.to === address;
    return (await this.inbox.until((all) => all.some(to))).findLast(to);
  }

  async stop() {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#open) socket.destroy();
    await closed;
  }
}

// mailOf reads a mail: its head, with the names of fields in small letters, and its HTML.
function mailOf(to, source) {
  const [head, ...body] = source.split('\r\n\r\n');
  const fields = head.replace(/\r\n[ \t]/g, ' ').split('\r\n').map((line) => /^([^:]+): (.*)$/.exec(line).slice(1));
  const headers = Object.fromEntries(fields.map(([name, value]) => [name.toLowerCase(), value]));
  const [, html = ''] = /Content-Type: text\/html[^]*?\r\n\r\n([^]*?)\r\n--/.exec(body.join('\r\n\r\n')) ?? [];
  const bytes = html.replaceAll('=\r\n', '').replace(/=([0-9A-F]{2})/g, (_, code) => String.fromCharCode(parseInt(code, 16)));
  return { to, headers, html: Buffer.from(bytes, 'latin1').toString('utf8') };
}
