// examples/live.html in a real browser, on a page of another origin, with a token narrowed to one segment; and the
// playground, in a browser that reaches nothing but the server.
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

  // said waits until the page says this of both connections.
  const said = (page, ...states) =>
    page.waitForFunction(
      ([ids, wanted]) => ids.every((id, i) => document.querySelector(`#${id} output`)?.textContent === (wanted[i] ?? wanted[0])),
      [lists, states],
    );

  // connected waits until the page says that it is, and both lists listen: what was recorded before is not for them.
  async function connected(page) {
    await said(page, 'connected');
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

  // playground opens the playground where no other host is to be reached, and notes what it asks of others, what its
  // policy refuses and what goes wrong in it. In none of the tests may there be any.
  async function playground(t, { prepare = () => {}, ...options } = {}) {
    const page = await world.browser.newPage({ viewport: { width: 1280, height: 720 }, ...options });
    t.after(() => page.close());
    const wrong = [];
    await page.route((url) => url.origin !== world.server.url, (route) => {
      wrong.push(`asked for ${route.request().url()}`);
      return route.abort();
    });
    page.on('pageerror', (error) => wrong.push(error.message));
    page.on('console', (message) => message.type() === 'error' && wrong.push(message.text()));
    await page.exposeFunction('refused', (what) => wrong.push(what));
    await page.addInitScript(() => {
      addEventListener('securitypolicyviolation', (e) => window.refused(`${e.effectiveDirective} ${e.blockedURI}`));
    });
    await prepare(page);
    await page.goto(`${world.server.url}/playground`);
    await page.locator('.graphiql-query-editor .view-line').first().waitFor();
    return { page, wrong };
  }

  // run opens the tab of an example, and runs it.
  async function run(page, name, first) {
    await page.locator('.graphiql-tabs').getByTitle(name, { exact: true }).click();
    await page.waitForFunction((text) => document.querySelector('.graphiql-query-editor')?.textContent.replaceAll('\u00a0', ' ').includes(text), first);
    await page.locator('.graphiql-execute-button').click();
  }

  // answer waits until the response holds all of these texts.
  const answer = (page, ...wanted) =>
    page.waitForFunction(
      (texts) => {
        const shown = document.querySelector('.graphiql-response')?.textContent.replaceAll('\u00a0', ' ');
        return texts.every((text) => shown?.includes(text));
      },
      wanted,
    );

  // filled gives the Record tab its variables.
  async function filled(page) {
    await page.locator('.graphiql-tabs').getByTitle('Record', { exact: true }).click();
    await page.getByRole('button', { name: 'Variables', exact: true }).click();
    await page.locator('.graphiql-editor-tool .graphiql-editor:not(.hidden) .view-lines').click();
    await page.keyboard.insertText(JSON.stringify({ campaign: world.campaign }));
  }

  // listen opens the Listen tab, and waits until it hears. What is recorded before it listens is not for it, and it does
  // not say when it begins: so something is said until it hears.
  async function listen(page) {
    await run(page, 'Listen', 'subscription Listen');
    let heard = false;
    const hearing = answer(page, '"kind": "RECORDED"', 'hello').finally(() => (heard = true));
    for (let i = 1; !heard; i++) await gold([`hello ${i}`]);
    await hearing;
  }

  test('the playground asks, records and listens, with no other host to be reached', async (t) => {
    const sent = [];
    const { page, wrong } = await playground(t, {
      prepare: (page) => page.on('websocket', (socket) => socket.on('framesent', ({ payload }) => sent.push(JSON.parse(payload)))),
    });
    assert.match(await page.getByRole('note').textContent(), /Put a key here/);
    await run(page, 'Welcome', 'query Welcome');
    await answer(page, 'UNAUTHENTICATED');
    await page.getByRole('textbox', { name: 'Key' }).fill(` Bearer ${world.server.key} `);
    assert.equal(await page.getByRole('note').count(), 0);
    await run(page, 'Welcome', 'query Welcome');
    await answer(page, '"nps"', '"trend"');
    await listen(page);
    const other = await playground(t);
    await other.page.getByRole('textbox', { name: 'Key' }).fill(world.server.key);
    await filled(other.page);
    await run(other.page, 'Record', 'mutation Record');
    await answer(other.page, '"recordResponse"', '"category": "PROMOTER"', '"userErrors": []');
    assert.deepEqual(other.wrong, []);
    await answer(page, '"score": 9', 'The technician was on time, and kind.');
    assert.deepEqual(sent[0], { type: 'connection_init', payload: { Authorization: `Bearer ${world.server.key}` } });
    // The key is this tab's, and stays while it is open; what the schema says is there.
    await page.reload();
    assert.equal(await page.getByRole('textbox', { name: 'Key' }).inputValue(), world.server.key);
    assert.equal(await page.evaluate(() => JSON.stringify(window.localStorage).includes('z10_')), false);
    await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
    await page.getByRole('link', { name: 'Subscription', exact: true }).click();
    await page.getByText('feedbackReceived', { exact: true }).first().waitFor();
    // 401 is what the browser says of the first run.
    assert.deepEqual(wrong.filter((text) => !/status of 401/.test(text)), []);
  });

  test('the playground listens over server-sent events where there are no sockets', async (t) => {
    const streams = [];
    const { page, wrong } = await playground(t, {
      prepare: async (page) => {
        await page.routeWebSocket(/./, (socket) => socket.close({ code: 1006 }));
        page.on('request', (request) => request.headers().accept === 'text/event-stream' && streams.push(request.headers().authorization));
      },
    });
    await page.getByRole('textbox', { name: 'Key' }).fill(world.server.key);
    await listen(page);
    await gold(['over a stream']);
    await answer(page, 'over a stream');
    assert.deepEqual(streams, [`Bearer ${world.server.key}`]);
    assert.deepEqual(wrong, []);
  });

  test('the playground may load nothing from elsewhere, and run nothing that is written into it', async (t) => {
    const { page, wrong } = await playground(t);
    await page.evaluate(async () => {
      const add = (name, attributes) => document.body.appendChild(Object.assign(document.createElement(name), attributes));
      add('script', { textContent: 'window.ran = true' });
      add('script', { src: 'https://cdn.example/index.js' });
      add('script', { src: '/graphql?query={__typename}' });
      add('div', {}).setAttribute('onclick', 'window.ran = true');
      document.querySelector('[onclick]').click();
      // By a timer, since what the test itself evaluates is not held to the policy.
      await new Promise((done) => window.setTimeout(() => {
        try {
          window.eval('window.ran = true');
        } finally {
          done();
        }
      }));
      await fetch('https://example.com/').catch(() => {});
    });
    for (const what of [
      'script-src-elem inline',
      'script-src-elem https://cdn.example/index.js',
      'script-src-attr inline',
      'script-src eval',
      'connect-src https://example.com/',
      `Refused to execute script from '${world.server.url}/graphql`,
    ]) {
      while (!wrong.some((one) => one.startsWith(what))) await setTimeout(20, undefined, { signal: t.signal });
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
