import { once } from 'node:events';
import WebSocket from 'ws';
import { Inbox } from './inbox.mjs';

// Socket is a WebSocket that says whatever it is told to: what no good client would.
export class Socket {
  messages = new Inbox();
  #read = 0;

  // open opens one. Where it is told whose it is, it is let in too.
  static async open(endpoint, { protocol = 'graphql-transport-ws', key, headers } = {}) {
    const socket = new Socket();
    const ws = (socket.ws = new WebSocket(endpoint.replace('http', 'ws'), protocol, { headers }));
    ws.on('message', (data) => socket.messages.push(JSON.parse(data)));
    socket.closed = new Promise((resolve) => {
      ws.on('close', (code, reason) => {
        socket.messages.fail(new Error(`the socket was closed: ${code} ${reason}`));
        resolve({ code, reason: reason.toString() });
      });
    });
    await once(ws, 'open');
    if (key) {
      socket.send({ type: 'connection_init', payload: { authorization: `Bearer ${key}` } });
      await socket.next('connection_ack');
    }
    return socket;
  }

  // send sends an object as JSON, anything else as it is.
  send(message) {
    this.ws.send(Object.getPrototypeOf(message) === Object.prototype ? JSON.stringify(message) : message);
  }

  subscribe(id, query, variables) {
    this.send({ id, type: 'subscribe', payload: { query, variables } });
  }

  // next is the next message, which must be of this type. Pings of the server may come at any time, and are passed over.
  async next(type) {
    for (;;) {
      const position = this.#read++;
      const message = (await this.messages.until(position + 1))[position];
      if (message.type === 'ping' && type !== 'ping') continue;
      if (message.type !== type) throw new Error(`there is ${JSON.stringify(message)} in the place of ${type}`);
      return message;
    }
  }

  // settled waits until the server has handled all that was sent before.
  async settled() {
    this.send({ type: 'ping' });
    await this.next('pong');
  }

  async close() {
    this.ws.close(1000);
    return this.closed;
  }
}
