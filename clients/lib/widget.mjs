// What the widget needs around it: a server that speaks its protocol, a site that has the script in its page, and a browser.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { after, before } from 'node:test';
import { chromium } from 'playwright-core';
import { Inbox } from './inbox.mjs';

export const [second, hour, day] = [1_000, 3_600_000, 86_400_000];
const begin = new Date('2026-11-25T10:00:00Z');

const script = new URL('../../internal/survey/widget/widget.js', import.meta.url);

export const light = {
  name: 'Acme', accent: '#1a73e8', onAccent: '#ffffff', background: '#ffffff', text: '#202124', muted: '#5f6368', line: '#80868b',
  isDark: false, privacyPolicy: 'https://acme.example/privacy',
};
export const colourful = {
  name: 'Lumen TV', accent: '#c2185b', onAccent: '#ffffff', background: '#fff7f0', text: '#2a1a40', muted: '#75677e', line: '#978b9a',
  isDark: false, privacyPolicy: 'https://lumen.example/privacy',
};
export const dark = {
  name: 'Nocturne', accent: '#ffb74d', onAccent: '#000000', background: '#16181d', text: '#eceff4', muted: '#a5abb6', line: '#7b818c',
  isDark: true, privacyPolicy: 'https://nocturne.example/privacy',
};

// settings asks everybody at once, below the page.
export const settings = {
  isEnabled: true, layout: 'BAR', pages: [], onCallOnly: false, samplePercent: 100, waitDays: 90, firstAfterDays: 0, fromVisit: 1,
  afterSeconds: 0, brand: light,
};

export const question = {
  ask: true, id: 'z10l_test', locale: 'en', direction: 'ltr',
  question: 'How likely is it that you would recommend us to a friend or colleague?',
  lowLabel: 'Not at all likely', highLabel: 'Extremely likely',
  followUps: { promoters: 'What do you like best?', passives: 'What is missing?', detractors: 'What went wrong?' },
  thankYous: { promoters: 'Thank you, promoter!', passives: 'Thank you, passive!', detractors: 'Thank you, detractor!' },
  steps: [
    { label: 'Write a review', url: 'https://reviews.example/acme', categories: ['PROMOTER'] },
    { label: 'Talk to us', url: 'https://acme.example/help', categories: ['DETRACTOR'] },
    { label: 'Read our news', url: 'https://acme.example/news' },
  ],
  words: {
    send: 'Send', optional: 'optional', close: 'Close', tryAgain: 'Not sent. Please try again.', privacyPolicy: 'Privacy policy',
    nextSteps: 'What you can do next',
  },
};

export const arabic = {
  ...question, locale: 'ar', direction: 'rtl',
  question: 'ما مدى احتمال أن توصي بنا صديقًا أو زميلًا؟',
  lowLabel: 'غير محتمل إطلاقًا', highLabel: 'محتمل جدًا',
  followUps: { promoters: 'ما أكثر ما يعجبك؟', passives: 'ما الذي ينقص؟', detractors: 'كيف يمكننا تحسين تجربتك؟' },
  thankYous: { promoters: 'شكرًا لك!', passives: 'شكرًا لك!', detractors: 'شكرًا على صراحتك.' },
  steps: [{ label: 'اكتب تقييمًا', url: 'https://reviews.example/acme' }],
  words: {
    send: 'إرسال', optional: 'اختياري', close: 'إغلاق', tryAgain: 'لم يُرسل. يرجى المحاولة مرة أخرى.',
    privacyPolicy: 'سياسة الخصوصية', nextSteps: 'ما يمكنك فعله بعد ذلك',
  },
};

async function listen(t, handler) {
  const server = createServer(handler);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

// Asker is a server that speaks the protocol, and keeps what it is told. A test changes what it says: campaigns and questions by
// campaign; and instead, where that gives one, `instead(path, body)`: a status and headers, or 'cut'.
export class Asker {
  campaigns = { camp_one: settings };
  questions = { camp_one: question };
  instead = () => undefined;
  // heard has what came, GET of the script and of settings apart, and seen just their paths.
  heard = new Inbox();
  seen = new Inbox();

  static async start(t) {
    const asker = new Asker();
    const bytes = await readFile(script);
    asker.url = await listen(t, async (request, response) => {
      const { pathname } = new URL(request.url, 'http://server');
      response.setHeader('access-control-allow-origin', '*');
      if (pathname === '/widget.js') {
        response.setHeader('content-type', 'text/javascript; charset=utf-8');
        return response.end(bytes);
      }
      let text = '';
      for await (const part of request) text += part;
      const { status, headers, body } = asker.#answer(request, pathname, text);
      if (!status) return response.destroy();
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(JSON.stringify(body ?? { error: 'no' }));
    });
    return asker;
  }

  #answer({ method, headers }, pathname, text) {
    const [, campaign, action] = /^\/w\/([^/]+)(?:\/(ask|answer))?$/.exec(pathname) ?? [];
    if (!campaign || !(campaign in this.campaigns)) return { status: 404 };
    if (method === 'GET' && !action) {
      this.seen.push(pathname);
      return { status: 200, body: this.campaigns[campaign] };
    }
    // A preflight would come here: the protocol needs none.
    if (method !== 'POST' || !action || !headers['content-type']?.startsWith('text/plain') || headers.cookie) {
      this.heard.fail(new Error(`${method} ${pathname}, ${JSON.stringify(headers)}`));
      return { status: 400 };
    }
    const body = JSON.parse(text);
    const instead = this.instead(action, body);
    this.heard.push({ campaign, action, body });
    if (instead === 'cut') return {};
    if (instead) return instead;
    if (action === 'ask') return { status: 200, body: this.questions[campaign] };
    return { status: 200, body: body.declined ? { declined: true } : { answered: true } };
  }

  // asked and answers are what came so far.
  get asks() {
    return this.heard.items.filter(({ action }) => action === 'ask').map(({ body }) => body);
  }

  get answers() {
    return this.heard.items.filter(({ action }) => action === 'answer').map(({ body }) => body);
  }

  // answered waits for so many answers.
  async answered(count) {
    await this.heard.until((items) => items.filter(({ action }) => action === 'answer').length >= count);
    return this.answers;
  }
}

// policy is as strict as a site can be that has the widget.
export const policy = (server, more = '') =>
  `default-src 'none'; script-src 'self' ${server}; connect-src ${server}; style-src ${more || "'none'"}; ` +
  "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

// site is a page with script elements for a server, each given as its data attributes or as it is, at any path. It has an origin of its
// own.
export async function site(t, server, elements, { css, body = '' } = {}) {
  const scripts = elements.map((element) => {
    if (typeof element === 'string') return element;
    const attributes = Object.entries(element).map(([name, value]) => `data-${name}="${value}"`);
    return `<script async src="${server}/widget.js" ${attributes.join(' ')}></script>`;
  });
  const page = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
    <title>A site</title>${css ? '<link rel="stylesheet" href="/site.css">' : ''}<script src="/site.js"></script>
    <main><h1>A site</h1><p><a id="link" href="#here">A link</a> <button id="ask">Ask me</button></p><div id="nps"></div>${body}</main>
    ${scripts.join('')}`;
  // The snippet's stub, and ears.
  const code = `window.zeroten = window.zeroten || function () { (zeroten.q = zeroten.q || []).push(arguments) };
    window.told = [];
    for (const event of ['asked', 'answered', 'declined']) zeroten('on', event, (detail) => told.push([event, detail]));
    addEventListener('click', ({ target }) => { if (target.id === 'ask') zeroten('ask') });
    if (location.hash === '#early') zeroten('ask');`;
  return listen(t, (request, response) => {
    const files = { '/site.css': ['text/css', css], '/site.js': ['text/javascript', code] };
    const [type, text] = files[request.url] ?? ['text/html', page];
    response.setHeader('content-type', `${type}; charset=utf-8`);
    response.setHeader('content-security-policy', policy(server, css ? "'self'" : ''));
    response.end(text);
  });
}

// account is examples/widget.html on an origin of its own, under a policy that names its style and its script by their hashes.
export async function account(t, server) {
  const page = await readFile(new URL('../../examples/widget.html', import.meta.url), 'utf8');
  const [style, code] = ['style', 'script'].map((tag) => {
    const [, text] = new RegExp(`<${tag}>(.*?)</${tag}>`, 's').exec(page);
    return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  });
  return listen(t, (request, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.setHeader(
      'content-security-policy',
      `default-src 'none'; script-src ${code} ${server}; connect-src ${server}; style-src ${style}; img-src data:`,
    );
    response.end(page);
  });
}

export let browser;
before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
});
after(() => browser?.close());

// world is a server, a site, and a browser that saw neither. Its clock stands still where stopped: `pass` lets it run.
export async function world(t, { rules, elements = [{ campaign: 'camp_one' }], stopped = false, page: more, context: options } = {}) {
  const server = await Asker.start(t);
  server.campaigns.camp_one = { ...settings, ...rules };
  const origin = await site(t, server.url, elements, more);
  const context = await browser.newContext({ viewport: { width: 1000, height: 700 }, ...options });
  t.after(() => context.close());
  context.setDefaultTimeout(20_000);
  if (stopped) {
    await context.clock.install({ time: begin });
    await context.clock.pauseAt(new Date(begin.getTime() + second));
  }
  await context.addInitScript(() => {
    window.violations = [];
    addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => violations.push([violatedDirective, blockedURI]));
    // seen pretends that the page's tab is in front, or not.
    window.seen = (isSeen) => {
      Object.defineProperty(document, 'visibilityState', { configurable: true, value: isSeen ? 'visible' : 'hidden' });
      document.dispatchEvent(new Event('visibilitychange'));
    };
  });
  const w = {
    server, origin, context, mistakes: [], addresses: new Set(),
    pass: (milliseconds) => context.clock.runFor(milliseconds),
    // tab opens a page, and waits until its rules are there.
    async tab(path = '/') {
      const page = await context.newPage();
      page.on('pageerror', (error) => w.mistakes.push(error));
      page.on('request', (request) => w.addresses.add(new URL(request.url()).origin));
      await w.visit(page, path);
      return page;
    },
    async visit(page, path = '/') {
      // Another document, and another answer with the rules, which the browser would keep for a while.
      const count = server.seen.items.length;
      await page.goto('about:blank');
      await page.goto(`${origin}${path}`);
      if (elements.length) await server.seen.until(count + 1);
    },
    // memory waits until the rules have arrived, and gives what the browser remembers.
    async memory(page, campaign = 'camp_one') {
      await page.waitForFunction((id) => JSON.parse(localStorage.getItem('zeroten') ?? '{}')[id], campaign, { polling: 20 });
      return page.evaluate((id) => JSON.parse(localStorage.getItem('zeroten'))[id], campaign);
    },
    // silent fails where the script asked the server, or is about to: it would have taken its turn.
    async silent(page, count = 0) {
      const { turn } = await w.memory(page);
      assert.equal(turn, undefined, 'it is about to ask');
      assert.equal(server.asks.length, count);
      assert.equal(await page.locator('zeroten-survey').count(), 0);
    },
    // remember changes what the browser remembers.
    remember: (page, change) =>
      page.evaluate(
        ([id, change]) => {
          const all = JSON.parse(localStorage.getItem('zeroten'));
          Object.assign(all[id], change);
          localStorage.setItem('zeroten', JSON.stringify(all));
        },
        ['camp_one', change],
      ),
  };
  t.after(async () => {
    for (const page of context.pages()) {
      if (page.url().startsWith(origin)) assert.deepEqual(await page.evaluate(() => window.violations), []);
    }
    assert.deepEqual(w.mistakes, []);
    for (const address of w.addresses) assert.ok([origin, server.url].includes(address), `it loads from ${address}`);
  });
  return w;
}

// shown waits for the question.
export async function shown(page, nth = 0) {
  const card = page.locator('zeroten-survey .card').nth(nth);
  await card.waitFor();
  return card;
}

export const number = (page, n) => page.getByRole('button', { name: String(n), exact: true });
export const pressed = (page) => page.locator('zeroten-survey [aria-pressed=true]').allTextContents();
export const told = (page) => page.evaluate(() => window.told);
// focus is what has the focus, in the shadow or outside.
export const focus = (page) =>
  page.evaluate(() => {
    let element = document.activeElement;
    while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
    return element.getAttribute('aria-label') ?? (element.id || element.textContent);
  });

export async function picture(page, name) {
  if (!process.env.SCREENSHOTS) return;
  await mkdir(process.env.SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: `${process.env.SCREENSHOTS}/widget-${name}.png` });
}
