// A real server on a database of its own.
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

async function temporary() {
  const directory = await mkdtemp(join(tmpdir(), 'zeroten-clients-'));
  return { directory, remove: () => rm(directory, { recursive: true, force: true }) };
}

let building;

// program is the path of the server's program, which is built once where ZEROTEN_BINARY does not name one.
function program() {
  building ??= process.env.ZEROTEN_BINARY
    ? Promise.resolve(process.env.ZEROTEN_BINARY)
    : temporary().then(async ({ directory, remove }) => {
        after(remove);
        const path = join(directory, 'zeroten');
        await run('go', ['build', '-o', path, '.'], { cwd: root });
        return path;
      });
  return building;
}

async function sqlite() {
  const { directory, remove } = await temporary();
  return { url: `sqlite://${directory}/zeroten.db`, drop: remove };
}

async function postgres() {
  const server = process.env.TEST_DATABASE_URL;
  const name = `clients_${randomBytes(6).toString('hex')}`;
  const sql = (text) => run('psql', ['--no-psqlrc', '--quiet', '-v', 'ON_ERROR_STOP=1', '-c', text, server]);
  await sql(`create database ${name}`);
  const url = new URL(server);
  url.pathname = name;
  return { url: url.href, drop: () => sql(`drop database ${name} with (force)`) };
}

// databases has what the tests run on: PostgreSQL where TEST_DATABASE_URL names a server.
export const databases = { SQLite: sqlite, ...(process.env.TEST_DATABASE_URL && { PostgreSQL: postgres }) };

// onEachDatabase describes tests that get a running server for each database: body is called with what will hold it, as
// `world.server`, once they run. among has the databases where it is not each of them, and start, where given, makes what the servers
// need besides: it gives their environment.
export function onEachDatabase(name, { among = databases, start, ...options }, body) {
  for (const [database, make] of Object.entries(among)) {
    describe(`${name} on ${database}`, options, () => {
      const world = {};
      before(async () => {
        world.database = await make();
        world.server = await Server.start(world.database.url, await start?.(world));
      });
      after(async () => {
        await world.server?.stop();
        await world.database?.drop();
      });
      body(world);
    });
  }
}

// Server is a running `zeroten serve`, or `zeroten demo`.
export class Server {
  #process;
  #exit;
  #database;
  #env = {};
  #log = [];
  // links has the customer's pages that the demo names.
  links = [];

  // start starts a server with a new database, and remembers the key that it shows then. env is its environment besides.
  static async start(database, env = {}) {
    const server = new Server();
    server.#database = database;
    server.#env = env;
    await server.#serve('127.0.0.1:0');
    if (!server.key) throw new Error('the server showed no key');
    return server;
  }

  // demo starts a demo in which nobody answers by themselves.
  static async demo() {
    const server = new Server();
    await server.#run(['demo', '--listen', '127.0.0.1:0', '--every', '0s']);
    return server;
  }

  #serve(listen) {
    return this.#run(['serve', '--listen', listen, '--database', this.#database]);
  }

  async #run(args) {
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(ZEROTEN_|DATABASE_URL$|MAIL_URL$|NODE_)/.test(name)));
    const child = spawn(await program(), args, { env: { ...env, ...this.#env }, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process = child;
    const kill = () => child.kill('SIGKILL');
    process.once('exit', kill);
    this.#exit = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        process.off('exit', kill);
        if (signal || code !== 0) console.error(`the server ended with ${signal ?? code}:\n${this.log}`);
        resolve(signal ?? code);
      });
    });
    createInterface({ input: child.stderr }).on('line', (line) => this.#log.push(line));
    const ready = new Promise((resolve) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        this.key ??= /^\s+(?:Authorization: Bearer )?(z10_\S+)$/.exec(line)?.[1];
        const url = / on (http:\S+)\/graphql/.exec(line)?.[1];
        const [link] = /(?<=^\s+)http:\S+\/demo\/\S+$/.exec(line) ?? [];
        if (link && this.links.push(link) === 2) resolve(new URL(link).origin);
        if (url) resolve(url);
      });
    });
    this.url = await Promise.race([
      ready,
      this.#exit.then((code) => Promise.reject(new Error(`the server ended with ${code} before it served`))),
    ]);
  }

  get port() {
    return Number(new URL(this.url).port);
  }

  get endpoint() {
    return `${this.url}/graphql`;
  }

  // log is what the server has logged so far.
  get log() {
    return this.#log.join('\n');
  }

  // stop asks the server to stop, and fails where it does not stop orderly.
  async stop() {
    this.#process.kill('SIGTERM');
    const code = await this.#exit;
    if (code !== 0) throw new Error(`the server ended with ${code} when it was told to stop`);
  }

  // start starts the server that was stopped again, where it was before.
  start() {
    return this.#serve(`127.0.0.1:${this.port}`);
  }

  // ask runs a query or a mutation. It fails on errors, userErrors included.
  async ask(query, variables, key = this.key) {
    const response = await fetch(this.endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json', authorization: `Bearer ${key}` },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = await response.json();
    const mistakes = Object.values(data ?? {}).flatMap((payload) => payload?.userErrors ?? []);
    if (errors || mistakes.length > 0) throw new Error(`${query} gives ${JSON.stringify(errors ?? mistakes)}`);
    return data;
  }
}
