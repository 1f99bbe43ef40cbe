// examples/live.html in a real browser, on a page of another origin, with a token narrowed to one segment; and the
// playground.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { chromium } from 'playwright-core';
import { Proxy } from './lib/proxy.mjs';
import { onEachDatabase } from './lib/server.mjs';
import { makeCampaign, makeSegment, makeToken, record, texts } from './lib/tenant.mjs';

const lists = ['sse', 'ws'];

// site serves the page, on an origin of its own.
async function site(t) {
  const page = await readFile(new URL('../examples/live.html', import.meta.url));
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'text/html');
    response.statusCode = request.url === '/live.html' ? 200 : 404;
    response.end(request.url === '/live.html' ? page : '');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

onEachDatabase('A page in a browser', {}, (world) => {
  before(async () => {
    world.browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox'],
    });
    world.campaign = await makeCampaign(world.server, 'Pages');
    world.segment = await makeSegment(world.server);
    world.token = await makeToken(world.server, { segment: world.segment });
  });
  after(() => world.browser?.close());

  // allow lets pages of this origin call, and waits until the server knows.
  async function allow(origin) {
    const { server } = world;
    await server.ask(
      'mutation ($origins: [String!]!) { updateTenant(input: { allowedOrigins: $origins }) { userErrors { message } } }',
      { origins: [origin] },
    );
    for (let allowed = false; !allowed; await setTimeout(20)) {
      const headers = { origin, accept: 'application/json', authorization: `Bearer ${server.key}` };
      const response = await fetch(`${server.endpoint}?query={__typename}`, { headers });
      await response.arrayBuffer();
      allowed = response.ok && response.headers.get('access-control-allow-origin') === origin;
    }
  }

  const gold = (comments) => record(world.server, world.campaign, comments, { plan: 'gold' });
  const others = (comments) => record(world.server, world.campaign, comments, { plan: 'basic' });

  // open opens the page, and notes what goes wrong in it.
  async function open(t, origin, server) {
    const page = await world.browser.newPage({ viewport: { width: 1000, height: 640 } });
    t.after(() => page.close());
    const mistakes = [];
    page.on('pageerror', (error) => mistakes.push(error));
    const hash = new URLSearchParams({ server, token: world.token });
    await page.goto(`${origin}/live.html#${hash}`);
    return { page, mistakes };
  }

  // latest waits until both lists show this comment as the latest.
  const latest = (page, comment) =>
    page.waitForFunction(
      ([ids, text]) => ids.every((id) => document.querySelector(`#${id} p`)?.textContent === text),
      [lists, comment],
    );

  // shown is what each list shows, oldest first.
  const shown = (page) => Promise.all(lists.map(async (list) => (await page.locator(`#${list} p`).allTextContents()).reverse()));

  // connected waits until both lists listen: what was recorded before is not for them.
  async function connected(page) {
    for (let i = 1; (await shown(page)).some((comments) => comments.length === 0); i++) await gold([`hello ${i}`]);
  }

  test('shows what is in its segment, once and in order, also after its connection was cut', async (t) => {
    const origin = await site(t);
    await allow(origin);
    const proxy = await Proxy.to(world.server.port);
    t.after(() => proxy.cut());
    const { page, mistakes } = await open(t, origin, proxy.url);
    await connected(page);
    const want = ['begin'];
    await gold(want);
    await latest(page, 'begin');
    for (let round = 1; round <= 3; round++) {
      const [inside, outside] = [texts(`inside, round ${round},`, 10), texts('outside', 10)];
      for (let i = 0; i < 10; i += 2) {
        await others(outside.slice(i, i + 2));
        await gold(inside.slice(i, i + 2));
        if (i === 4) await proxy.cut();
      }
      want.push(...inside);
      await proxy.mend();
      await latest(page, inside.at(-1));
    }
    const last = ['The technician was on time, and kind. 😀', '<b>No markup</b>', 'The last one'];
    await gold(last);
    want.push(...last);
    await latest(page, last.at(-1));
    for (const [i, comments] of (await shown(page)).entries()) {
      assert.deepEqual(comments.slice(comments.indexOf('begin')), want, lists[i]);
      assert.equal(new Set(comments).size, comments.length, 'nothing is shown twice');
    }
    assert.deepEqual(mistakes, []);
    if (process.env.SCREENSHOTS) {
      await mkdir(process.env.SCREENSHOTS, { recursive: true });
      await page.screenshot({ path: `${process.env.SCREENSHOTS}/live.png` });
    }
  });

  test('shows nothing to an origin that is not allowed', async (t) => {
    const [allowed, stranger] = [await site(t), await site(t)];
    await allow(allowed);
    const { page: good } = await open(t, allowed, world.server.url);
    const { page: bad } = await open(t, stranger, world.server.url);
    const refused = bad.waitForEvent('console', (message) => message.type() === 'error');
    await connected(good);
    await refused;
    await gold(['for those who are allowed']);
    await latest(good, 'for those who are allowed');
    assert.deepEqual(await shown(bad), [[], []]);
  });

  // playground opens the playground, and notes what its policy refuses and what it fetches.
  async function playground(t) {
    const page = await world.browser.newPage();
    t.after(() => page.close());
    const refused = [];
    const fetched = [];
    // What it fetches from elsewhere is not to be had here, but it must be let ask for it.
    await page.route(/^https:/, (route) => {
      fetched.push(route.request().url());
      return route.abort();
    });
    await page.exposeFunction('refused', (what) => refused.push(what));
    await page.addInitScript(() => {
      addEventListener('securitypolicyviolation', (e) => window.refused(`${e.effectiveDirective} ${e.blockedURI}`));
    });
    const broken = page.waitForEvent('pageerror'); // its own script runs, and finds no GraphiQL
    const response = await page.goto(`${world.server.url}/playground`);
    assert.match((await broken).message, /GraphiQL is not defined/);
    return { page, refused, fetched, html: await response.text() };
  }

  test('the playground may do what it does', async (t) => {
    const { page, refused, fetched, html } = await playground(t);
    const named = [...html.matchAll(/(?:src|href)="(https:[^"]+)"/g)].map((match) => match[1]);
    assert.equal(named.length, 4);
    assert.deepEqual(fetched.sort(), named.sort(), 'it asks for all files that it names');
    const answers = await page.evaluate(async () => {
      const { location, WebSocket } = window;
      const style = document.head.appendChild(document.createElement('style'));
      style.textContent = 'body { color: rgb(1, 2, 3) }';
      const image = new window.Image();
      image.src = 'data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=';
      await image.decode();
      const query = JSON.stringify({ query: '{ __typename }' });
      const response = await fetch('/graphql', { method: 'POST', headers: { 'content-type': 'application/json' }, body: query });
      const socket = new WebSocket(`ws://${location.host}/graphql`, 'graphql-transport-ws');
      await new Promise((resolve, reject) => {
        socket.onopen = resolve;
        socket.onerror = reject;
      });
      socket.close();
      return [window.getComputedStyle(document.body).color, (await response.json()).data];
    });
    assert.deepEqual(answers, ['rgb(1, 2, 3)', { __typename: 'Query' }]);
    assert.deepEqual(refused, []);
  });

  test('the playground may do nothing else', async (t) => {
    const { page, refused } = await playground(t);
    await page.evaluate(async () => {
      const add = (name, attributes) => document.body.appendChild(Object.assign(document.createElement(name), attributes));
      add('script', { textContent: 'window.ran = true' });
      add('script', { src: 'https://cdn.jsdelivr.net/npm/another@1.0.0/index.js' });
      add('script', { src: '/graphql?query={__typename}' });
      add('div', {}).setAttribute('onclick', 'window.ran = true');
      document.querySelector('[onclick]').click();
      await fetch('https://example.com/').catch(() => {});
    });
    for (const what of [
      'script-src-elem inline',
      'script-src-elem https://cdn.jsdelivr.net/npm/another@1.0.0/index.js',
      `script-src-elem ${world.server.url}/graphql`,
      'script-src-attr inline',
      'connect-src https://example.com/',
    ]) {
      while (!refused.some((one) => one.startsWith(what))) await setTimeout(20);
    }
    assert.equal(await page.evaluate(() => window.ran), undefined);
  });

  test('no page of another origin frames the playground', async (t) => {
    const server = createServer((_, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(`<iframe src="${world.server.url}/playground"></iframe>`);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const page = await world.browser.newPage();
    t.after(() => page.close());
    const refused = page.waitForEvent('console', (message) => /frame/i.test(message.text()));
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    assert.match((await refused).text(), /frame-ancestors|X-Frame-Options/i);
  });
});
