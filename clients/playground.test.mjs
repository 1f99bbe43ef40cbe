// The playground in a real browser that reaches nothing but the server. It knows nothing of databases, so one will do.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { chromium } from 'playwright-core';
import { brands, dress } from './lib/brands.mjs';
import { databases, onEachDatabase } from './lib/server.mjs';
import { snippet } from './lib/survey.mjs';
import { makeCampaign, record } from './lib/tenant.mjs';

onEachDatabase('The playground', { among: { SQLite: databases.SQLite } }, (world) => {
  before(async () => {
    world.browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox'],
    });
    world.campaign = await makeCampaign(world.server, 'Pages');
  });
  after(() => world.browser?.close());

  // playground opens the playground where no other host is to be reached, and notes what it asks of others, or asks of the
  // server though it could know, what its policy refuses and what goes wrong in it. There may be none but what is expected.
  async function playground(t, { prepare = () => {}, expected = () => false, ...options } = {}) {
    const page = await world.browser.newPage({ viewport: { width: 1280, height: 720 }, ...options });
    t.after(() => page.close());
    const wrong = [];
    t.after(() => assert.deepEqual(wrong.filter((text) => !expected(text)), []));
    await page.route((url) => url.origin !== world.server.url, (route) => {
      wrong.push(`asked for ${route.request().url()}`);
      return route.abort();
    });
    page.on('request', (request) => request.postData()?.includes('__schema') && wrong.push('asked for the schema'));
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

  // ask runs a query in a tab of its own.
  async function ask(page, query) {
    await page.getByRole('button', { name: 'New tab' }).click();
    await page.locator('.graphiql-query-editor .view-lines').click();
    await page.keyboard.insertText(query);
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
    // What runs has the variables of the tab, which take over what was typed a moment later.
    await page.waitForFunction((id) => window.localStorage.getItem('zeroten:graphiql:tabState')?.includes(id), world.campaign);
  }

  // listen opens the Listen tab, and waits until it hears. What is recorded before it listens is not for it, and it does
  // not say when it begins: so something is said until it hears.
  async function listen(page) {
    await run(page, 'Listen', 'subscription Listen');
    let heard = false;
    const hearing = answer(page, '"kind": "RECORDED"', 'hello').finally(() => (heard = true));
    for (let i = 1; !heard; i++) {
      await record(world.server, world.campaign, [`hello ${i}`]);
      await setTimeout(100);
    }
    await hearing;
  }

  test('the playground asks, records and listens, with no other host to be reached', async (t) => {
    const sent = [];
    const { page } = await playground(t, {
      expected: (text) => /status of 401/.test(text), // what the browser says of the first run
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
    await answer(page, '"score": 9', 'The technician was on time, and kind.');
    assert.deepEqual(sent[0], { type: 'connection_init', payload: { Authorization: `Bearer ${world.server.key}` } });
    // The key is this tab's, and stays while it is open; what the schema says is there.
    await page.reload();
    assert.equal(await page.getByRole('textbox', { name: 'Key' }).inputValue(), world.server.key);
    assert.equal(await page.evaluate(() => JSON.stringify(window.localStorage).includes('z10_')), false);
    await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
    await page.getByRole('link', { name: 'Subscription', exact: true }).click();
    await page.getByText('feedbackReceived', { exact: true }).first().waitFor();
  });

  test('the playground keeps the tabs of its demo, and lets those of another go', async (t) => {
    const { page } = await playground(t);
    const titles = () => page.locator('.graphiql-tab-button').allTextContents();
    const examples = await titles();
    assert.equal(examples[0], 'Welcome');
    assert.equal(examples.at(-1), 'Listen');
    await page.getByRole('button', { name: 'New tab' }).click();
    await page.locator('.graphiql-query-editor .view-lines').click();
    await page.keyboard.insertText('query Mine { viewer { scopes } }');
    await page.locator('.graphiql-tabs').getByTitle('Mine', { exact: true }).waitFor();
    // Tabs are written down a moment after they were changed.
    await page.waitForFunction(() => window.localStorage.getItem('zeroten:graphiql:tabState')?.includes('Mine'));
    const names = ['zeroten:examples', 'zeroten:graphiql:tabState'];
    const kept = await page.evaluate((names) => names.map((name) => window.localStorage.getItem(name)), names);
    const older = (text) => text.replaceAll('Welcome', 'Former');
    const another = (text) => JSON.stringify(JSON.parse(text).map((tab) => ({ ...tab, variables: '{"campaign": "of another demo"}' })));
    for (const [texts, want] of [
      [kept, [...examples, 'Mine']],
      // What an older server had as its example is none of the user's.
      [kept.map(older), [...examples, 'Mine']],
      [[another(kept[0]), kept[1]], examples],
    ]) {
      // In a browser of its own, since what a page writes that is left may come after what the next one does.
      const { page } = await playground(t, {
        prepare: (page) =>
          page.addInitScript((items) => {
            if (window.localStorage.length === 0) for (const [name, text] of items) window.localStorage.setItem(name, text);
          }, names.map((name, i) => [name, texts[i]])),
      });
      assert.deepEqual(await page.locator('.graphiql-tab-button').allTextContents(), want);
      // Twice, since what was not changed may not be written down anew.
      for (let i = 0; i < 2; i++) {
        await page.reload();
        await page.locator('.graphiql-query-editor .view-line').first().waitFor();
        assert.deepEqual(await page.locator('.graphiql-tab-button').allTextContents(), want);
      }
    }
  });

  test('the playground keeps no header of any tab', async (t) => {
    const { page } = await playground(t);
    const keeps = () => page.evaluate((key) => [window.localStorage, window.sessionStorage].some((s) => JSON.stringify(s).includes(key)), world.server.key);
    await page.getByRole('button', { name: 'Headers', exact: true }).click();
    await page.locator('.graphiql-editor-tool .graphiql-editor:not(.hidden) .view-lines').click();
    await page.keyboard.insertText(JSON.stringify({ Authorization: `Bearer ${world.server.key}` }));
    // The tab takes over what was typed a moment later: to go to a tab before, even to its own, would lose it.
    await page.waitForFunction(() => document.querySelector('.graphiql-editor-tool .graphiql-editor:not(.hidden)')?.textContent.includes('Authorization'));
    await page.locator('.graphiql-execute-button').click();
    await answer(page, '"nps"', '"trend"');
    const inHistory = (name) => page.waitForFunction((key) => window.localStorage.getItem(key)?.includes('query Welcome'), `zeroten:graphiql:${name}`);
    await inHistory('queries');
    assert.equal(await keeps(), false);
    await page.getByRole('button', { name: 'Show History' }).click();
    await page.getByRole('button', { name: 'Add favorite' }).first().click();
    await inHistory('favorites');
    assert.equal(await keeps(), false);
    await page.getByRole('button', { name: 'Open settings dialog' }).click();
    await page.getByText('Theme', { exact: true }).waitFor();
    assert.equal(await page.getByText('Persist headers').count(), 0);
    // What it kept once is forgotten.
    await page.goto(`${world.server.url}/healthz`);
    await page.evaluate((headers) => {
      const items = [{ query: 'query Welcome { __typename }', headers }];
      for (const name of ['queries', 'favorites']) window.localStorage.setItem(`zeroten:graphiql:${name}`, JSON.stringify({ [name]: items }));
    }, JSON.stringify({ Authorization: `Bearer ${world.server.key}` }));
    assert.equal(await keeps(), true);
    await page.goto(`${world.server.url}/playground`);
    await page.locator('.graphiql-query-editor .view-line').first().waitFor();
    assert.equal(await keeps(), false);
    await inHistory('favorites');
  });

  test('the playground listens over server-sent events where there are no sockets', async (t) => {
    const streams = [];
    const { page } = await playground(t, {
      prepare: async (page) => {
        await page.routeWebSocket(/./, (socket) => socket.close({ code: 1006 }));
        page.on('request', (request) => request.headers().accept === 'text/event-stream' && streams.push(request.headers().authorization));
      },
    });
    await page.getByRole('textbox', { name: 'Key' }).fill(world.server.key);
    await listen(page);
    await record(world.server, world.campaign, ['over a stream']);
    await answer(page, 'over a stream');
    assert.deepEqual(streams, [`Bearer ${world.server.key}`]);
  });

  const clipboard = ['clipboard-read', 'clipboard-write'];
  const list = (page) => page.getByRole('region', { name: 'Texts in this result' });
  const button = (page, name) => page.getByRole('button', { name, exact: true });

  test('the playground copies the texts of a result as they are, and shows what they look like', async (t) => {
    const campaign = await dress(world.server, world.browser, brands.colourful);
    const { html, preview } = await snippet(world.server, campaign);
    const { page } = await playground(t, { permissions: clipboard });
    const pasted = () => page.evaluate(() => navigator.clipboard.readText());
    await page.getByRole('textbox', { name: 'Key' }).fill(world.server.key);
    await ask(page, `{ campaign(id: "${campaign}") { name emailSnippet(provider: MAILCHIMP) { html preview } link { qrCode } } }`);
    await list(page).waitFor();
    // Names are short, and stand in JSON as they are.
    const paths = ['campaign.emailSnippet.html', 'campaign.emailSnippet.preview', 'campaign.link.qrCode'];
    assert.deepEqual(await list(page).locator('code').allTextContents(), paths);
    await button(page, 'Copy campaign.emailSnippet.html').click();
    await button(page, 'Copied campaign.emailSnippet.html').waitFor();
    await list(page).getByRole('status').getByText('Copied campaign.emailSnippet.html').waitFor();
    assert.equal(await pasted(), html);
    // With the keyboard alone: to the next one, which is copied, and opened, and closed.
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await button(page, 'Copied campaign.emailSnippet.preview').waitFor();
    assert.equal(await pasted(), preview);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'campaign.emailSnippet.preview' });
    const shown = dialog.frameLocator('iframe');
    for (let i = 0; i <= 10; i++) await shown.locator(`td a[href*="/${i}?"]`).getByText(i, { exact: true }).first().waitFor();
    assert.equal(await shown.locator(':root').evaluate(() => document.compatMode), 'CSS1Compat');
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    assert.equal(await page.evaluate(() => document.activeElement.ariaLabel), 'Open campaign.emailSnippet.preview');
    // An image can be taken along.
    await button(page, 'Open campaign.link.qrCode').click();
    await page.waitForFunction(() => document.querySelector('dialog img')?.naturalWidth > 0);
    const download = page.waitForEvent('download');
    await page.getByRole('link', { name: 'Download' }).click();
    assert.equal((await download).suggestedFilename(), 'qrCode.svg');
    await button(page, 'Close').click();
    // The list is that of the tab.
    await run(page, 'Welcome', 'query Welcome');
    await answer(page, '"nps"', '"trend"');
    await list(page).waitFor({ state: 'detached' });
    await page.locator('.graphiql-tab-button').last().click();
    await list(page).waitFor();
  });

  test('the playground copies texts where the browser gives its page no clipboard, and lists no more than twenty', async (t) => {
    const campaign = await makeCampaign(world.server, 'Comments');
    await record(world.server, campaign, Array.from({ length: 23 }, (_, i) => `"${i}"\nC:\\ 😀 ${'long '.repeat(i)}`));
    const query = `{ responses(first: 23, filter: { campaigns: ["${campaign}"] }) { nodes { comment } } }`;
    const { responses } = await world.server.ask(query);
    const { page } = await playground(t, {
      permissions: clipboard,
      prepare: (page) =>
        page.addInitScript(() => {
          const { clipboard } = navigator;
          window.pasted = () => clipboard.readText();
          Object.defineProperty(navigator, 'clipboard', { value: undefined });
        }),
    });
    await page.getByRole('textbox', { name: 'Key' }).fill(world.server.key);
    await ask(page, query);
    await list(page).getByText('And 3 more.').waitFor();
    assert.equal(await list(page).getByRole('listitem').count(), 20);
    await button(page, 'Copy responses.nodes[3].comment').click();
    await button(page, 'Copied responses.nodes[3].comment').waitFor();
    assert.equal(await page.evaluate(() => window.pasted()), responses.nodes[3].comment);
    assert.equal(await page.evaluate(() => document.activeElement.ariaLabel), 'Copied responses.nodes[3].comment');
  });

  test('a text in a result runs nothing, goes nowhere and sends nothing, wherever it is shown', async (t) => {
    const campaign = await makeCampaign(world.server, 'Attacks');
    const attack = `parent.ran = top.ran = true; fetch('/ran'); open('/ran'); top.location = '/ran'`;
    await record(world.server, campaign, [
      `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" onload="${attack}"><script>${attack}</script></svg>`,
      `<script>${attack}</script><img src="x" onerror="${attack}">`,
      `<!DOCTYPE html><meta http-equiv="refresh" content="0;url=/ran"><script>${attack}</script><body onload="${attack}">
        <svg onload="${attack}"></svg><img src="https://example.com/pixel"><iframe src="/ran"></iframe>
        <a href="javascript:${attack}">script</a> <a href="/ran">self</a> <a href="/ran" target="_top">top</a>
        <form action="/ran"><button>send</button></form>`,
    ]);
    const { page, wrong } = await playground(t, { expected: () => true });
    const went = [];
    page.context().on('request', (request) => /\/ran$|example\.com/.test(request.url()) && went.push(request.url()));
    page.context().on('page', (other) => went.push(other.url()));
    await page.getByRole('textbox', { name: 'Key' }).fill(world.server.key);
    await ask(page, `{ responses(filter: { campaigns: ["${campaign}"] }) { nodes { comment } } }`);
    await list(page).waitFor();
    assert.equal(await list(page).getByRole('listitem').count(), 3);
    assert.equal(await list(page).getByRole('button', { name: /^Open / }).count(), 2);
    for (const open of await list(page).getByRole('button', { name: /^Open / }).all()) {
      await open.click();
      const dialog = page.getByRole('dialog');
      if ((await dialog.locator('iframe').count()) > 0) {
        const shown = dialog.frameLocator('iframe');
        for (const link of ['script', 'self', 'top']) await shown.getByRole('link', { name: link }).click();
        await shown.getByRole('button', { name: 'send' }).click();
        // It is all still there, and of no origin that could reach the playground.
        await shown.getByRole('link', { name: 'self' }).waitFor();
        assert.equal(await page.evaluate(() => document.querySelector('dialog iframe').contentDocument), null);
        for (const what of ["Blocked script execution in 'about:srcdoc'", "Loading the image 'https://example.com/pixel' violates", "Blocked form submission to '/ran'"]) {
          while (!wrong.some((one) => one.startsWith(what))) await setTimeout(20, undefined, { signal: t.signal });
        }
      } else {
        await page.waitForFunction(() => document.querySelector('dialog img').naturalWidth === 9);
      }
      await button(page, 'Close').click();
    }
    assert.equal(await page.evaluate(() => window.ran), undefined);
    assert.equal(page.url(), `${world.server.url}/playground`);
    assert.deepEqual(went, []);
  });

  test('the playground may load nothing from elsewhere, and run nothing that is written into it', async (t) => {
    const { page, wrong } = await playground(t, { expected: () => true });
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
