import { once } from 'node:events';
import { connect, createServer } from 'node:net';

// Proxy passes connections on to a port of this machine, and can cut them.
export class Proxy {
  #target;
  #open = new Set();
  #server;

  static async to(target) {
    const proxy = new Proxy();
    proxy.#target = target;
    await proxy.#listen(0);
    return proxy;
  }

  async #listen(port) {
    this.#server = createServer((near) => {
      const far = connect(this.#target, '127.0.0.1');
      for (const [socket, other] of [[near, far], [far, near]]) {
        this.#open.add(socket);
        socket.setNoDelay(true);
        socket.on('error', () => {}); // close follows
        socket.on('close', () => {
          this.#open.delete(socket);
          other.destroy();
        });
        socket.pipe(other);
      }
    });
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = this.#server.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
    this.endpoint = `${this.url}/graphql`;
  }

  // cut breaks all connections off in the midst of whatever they carry, and takes no more.
  async cut() {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#open) socket.resetAndDestroy();
    await closed;
  }

  // mend takes connections again, where it did before.
  mend() {
    return this.#listen(this.port);
  }
}
