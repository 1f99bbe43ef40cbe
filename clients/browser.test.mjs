// examples/live.html in a real browser, on a page of another origin, with a token narrowed to one segment.
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

  // maxTries is how often something is asked for that comes soon, before the test fails: what hangs must say what it is.
  const maxTries = 1_000;

  // allow lets pages of this origin call, and waits until the server knows.
  async function allow(origin) {
    const { server } = world;
    await server.ask(
      'mutation ($origins: [String!]!) { updateTenant(input: { allowedOrigins: $origins }) { userErrors { message } } }',
      { origins: [origin] },
    );
    for (let allowed = false, tries = 0; !allowed; await setTimeout(20)) {
      assert.ok(tries++ < maxTries, `the server does not let pages of ${origin} call`);
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

  // said waits until the page says this of both connections.
  const said = (page, ...states) =>
    page.waitForFunction(
      ([ids, wanted]) => ids.every((id, i) => document.querySelector(`#${id} output`)?.textContent === (wanted[i] ?? wanted[0])),
      [lists, states],
    );

  // connected waits until the page says that it is, and both lists listen: what was recorded before is not for them.
  async function connected(page) {
    await said(page, 'connected');
    for (let i = 1; (await shown(page)).some((comments) => comments.length === 0); i++) {
      assert.ok(i < maxTries, 'the page is connected, and shows nothing');
      await gold([`hello ${i}`]);
    }
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
      await said(page, 'not connected, trying again');
      await proxy.mend();
      await said(page, 'connected');
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
    await said(bad, 'refused', 'not connected, trying again');
  });
});
