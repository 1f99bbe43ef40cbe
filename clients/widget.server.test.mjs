// The widget of the real server in a real browser, on sites of other origins whose policies allow as little as they can, and the demo's
// pages for customers.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { judge } from './lib/axe.mjs';
import { brands, dress } from './lib/brands.mjs';
import { databases, onEachDatabase, Server } from './lib/server.mjs';
import { counted, listen, narrow, phone, Reader, thanked } from './lib/survey.mjs';
import { makeCampaign } from './lib/tenant.mjs';
import { browser, number, picture, shown, site, told } from './lib/widget.mjs';

// enable switches the widget of a campaign on, so that it asks at once, and returns what is pasted into a page for it.
async function enable(server, campaign, rules) {
  const { updateWidget } = await server.ask(
    `mutation ($input: UpdateWidgetInput!) { updateWidget(input: $input) { campaign { widget { snippet } } userErrors { message } } }`,
    { input: { campaign, isEnabled: true, afterSeconds: 0, ...rules } },
  );
  return updateWidget.campaign.widget.snippet;
}

// made makes a campaign that asks by its widget, and returns its id and its snippet.
async function made(server, name, rules) {
  const campaign = await makeCampaign(server, name);
  return { campaign, snippet: await enable(server, campaign, rules) };
}

// having is a snippet with further data attributes.
const having = (snippet, attributes) =>
  Object.entries(attributes).reduce((text, [name, value]) => text.replace('<script ', `<script data-${name}="${value}" `), snippet);

const word = (server, input) =>
  server.ask('mutation ($input: SetWordingInput!) { setWording(input: $input) { userErrors { message } } }', { input });

// named is a token that names somebody.
async function named(server, contact) {
  const { createContactToken } = await server.ask(
    'mutation ($input: CreateContactTokenInput!) { createContactToken(input: $input) { token userErrors { message } } }',
    { input: { contact } },
  );
  return createContactToken.token;
}

// reach is what became of the campaign's invitations.
async function reach(server, campaign) {
  const query = 'query ($id: ID!) { campaign(id: $id) { reach { invited delivered declined answered responseRate } } }';
  return (await server.ask(query, { id: campaign })).campaign.reach;
}

// invitation is that of the campaign's one response, and what follows from it.
async function invitation(server, campaign) {
  const [response, ...rest] = await counted(server, campaign);
  assert.deepEqual(rest, []);
  const query = 'query ($id: ID!) { response(id: $id) { invitation { status channel contact { externalId } } } }';
  return (await server.ask(query, { id: response.id })).response.invitation;
}

// follows waits until the server's pages follow what was changed of a widget.
async function follows(server, campaign, wanted) {
  for (let tries = 0; ; tries++) {
    const says = await (await fetch(`${server.url}/w/${campaign}`)).json();
    if (Object.entries(wanted).every(([name, value]) => says[name] === value)) return;
    assert.ok(tries < 100, `the widget does not follow: ${JSON.stringify(says)}`);
    await setTimeout(100);
  }
}

// Guest is somebody with a browser of their own, who goes to pages that have the widget. What may not happen there is noted as it
// happens: violations of a page's policy, errors, cookies, requests to others.
class Guest {
  mistakes = [];
  // sent has what the widget sent, in its order.
  sent = [];

  static async open(t, { server }, options = {}) {
    const guest = new Guest();
    const context = (guest.context = await browser.newContext({ viewport: { width: 1000, height: 700 }, locale: 'en', ...options }));
    context.setDefaultTimeout(20_000);
    const fault = (text) => guest.mistakes.push(text);
    await context.exposeBinding('violated', (_, what) => fault(`a violation: ${what}`));
    await context.addInitScript(() =>
      addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => window.violated(`${violatedDirective} ${blockedURI}`)),
    );
    const origins = new Set([server.url]);
    context.on('request', async (request) => {
      const { origin, pathname } = new URL(request.url());
      if (request.isNavigationRequest()) origins.add(origin);
      if (!origins.has(origin)) fault(`a request to ${request.url()}`);
      if (request.method() === 'POST') guest.sent.push({ action: pathname.split('/').at(-1), ...request.postDataJSON() });
      if ('cookie' in (await request.allHeaders())) fault(`${request.url()} is sent a cookie`);
    });
    context.on('response', async (response) => {
      if ('set-cookie' in (await response.allHeaders())) fault(`${response.url()} sets a cookie`);
    });
    context.on('console', (message) => message.type() === 'error' && !/status of 4\d\d/.test(message.text()) && fault(message.text()));
    context.on('weberror', (error) => fault(`${error.error()}`));
    guest.page = await context.newPage();
    t.after(async () => {
      const cookies = await context.cookies();
      await context.close();
      assert.deepEqual(cookies, []);
      assert.deepEqual(guest.mistakes, []);
    });
    return guest;
  }

  get asks() {
    return this.sent.filter(({ action }) => action === 'ask').length;
  }

  // visit goes to a page, another document than before.
  async visit(url) {
    await this.page.goto('about:blank');
    this.came = Date.now();
    await this.page.goto(url);
  }

  // asked goes to a page that asks.
  async asked(url) {
    await this.visit(url);
    return shown(this.page);
  }

  // told does something, and waits for what the server says to what is sent then.
  async told(action, act) {
    const [response] = await Promise.all([this.page.waitForResponse((response) => response.url().endsWith(`/${action}`)), act()]);
    const status = response.status();
    return { status, ...(status === 200 && (await response.json())) }; // the script reads no other
  }

  // passedOver goes to a page where the script keeps silent by itself: once it knows the rules it would have taken its turn.
  async passedOver(url, campaign) {
    const before = this.asks;
    await this.visit(url);
    const seen = ([id, came]) => JSON.parse(localStorage.getItem('zeroten') ?? '{}')[id]?.seen > came;
    await this.page.waitForFunction(seen, [campaign, this.came], { polling: 20 });
    assert.equal(await this.page.evaluate((id) => JSON.parse(localStorage.zeroten)[id].turn, campaign), undefined, 'it is about to ask');
    assert.equal(this.asks, before);
    assert.equal(await this.page.locator('zeroten-survey').count(), 0);
  }

  // refused goes to a page where the server says that nobody is asked now.
  async refused(url, campaign) {
    const said = await this.told('ask', () => this.visit(url));
    assert.deepEqual(Object.keys(said), ['status', 'ask', 'again']);
    assert.deepEqual([said.status, said.ask], [200, false]);
    await this.page.waitForFunction((id) => ((memory) => memory.again || memory.named)(JSON.parse(localStorage.zeroten)[id]), campaign, { polling: 20 });
    assert.equal(await this.page.locator('zeroten-survey').count(), 0);
    return said.again;
  }

  // answer chooses a number, and writes something once the server has that, where there is something to be written.
  async answer(score, comment) {
    assert.equal((await this.told('answer', () => number(this.page, score).click())).answered, true);
    if (comment === undefined) return;
    await this.page.locator('zeroten-survey textarea').fill(comment);
    assert.equal((await this.told('answer', () => this.page.getByRole('button', { name: 'Send' }).click())).answered, true);
    await this.page.locator('zeroten-survey .thanks').waitFor();
  }
}

onEachDatabase('The widget', {}, (world) => {
  test('asks somebody unknown on a site of another origin, and takes the answer', async (t) => {
    const { server } = world;
    const { campaign, snippet } = await made(server, 'Unknown');
    assert.equal(snippet, `<script async src="${server.url}/widget.js" data-campaign="${campaign}"></script>`);
    await server.ask('mutation ($input: UpdateSurveyInput!) { updateSurvey(input: $input) { userErrors { message } } }', {
      input: {
        campaign,
        nextSteps: [
          { label: 'Write a review', url: 'https://reviews.example/acme', categories: ['PROMOTER'] },
          { label: 'Talk to us', url: 'https://acme.example/help', categories: ['DETRACTOR'] },
        ],
      },
    });
    await word(server, { campaign, locale: 'en', question: 'Dear {name|guest}, would you recommend us?', thankYous: { promoters: 'Many thanks, {name|guest}!' } });
    const events = listen(t, server, campaign, { fields: 'score comment channel identity' });
    assert.deepEqual(await counted(server, campaign), []);
    assert.deepEqual(await reach(server, campaign), { invited: 0, delivered: 0, declined: 0, answered: 0, responseRate: null });

    const guest = await Guest.open(t, world);
    const card = await guest.asked(await site(t, server.url, [snippet]));
    await card.getByText('Dear guest, would you recommend us?').first().waitFor();
    assert.deepEqual(await reach(server, campaign), { invited: 1, delivered: 1, declined: 0, answered: 0, responseRate: 0 });
    await guest.answer(9);
    const is = { score: 9, comment: null, channel: 'WIDGET', identity: 'ANONYMOUS' };
    const [first] = await events.until(1);
    assert.deepEqual([first.kind, first.previousScore, first.response], ['RECORDED', null, is]);
    await guest.answer(9, ' Quick and friendly. ');
    const [, second] = await events.until(2);
    assert.deepEqual([second.kind, second.previousScore, second.response], ['AMENDED', null, { ...is, comment: 'Quick and friendly.' }]);
    assert.equal(second.responseId, first.responseId);
    assert.equal(await card.locator('.thanks').textContent(), 'Many thanks, guest!');
    const steps = await card.locator('.steps a').evaluateAll((all) => all.map(({ textContent, href }) => [textContent, href]));
    assert.deepEqual(steps, [['Write a review', 'https://reviews.example/acme']]);

    const [response, ...rest] = await counted(server, campaign);
    assert.deepEqual(rest, []);
    assert.deepEqual([response.id, response.score, response.contact], [first.responseId, 9, null]);
    assert.deepEqual(await invitation(server, campaign), { status: 'ANSWERED', channel: 'WIDGET', contact: null });
    assert.deepEqual(await reach(server, campaign), { invited: 1, delivered: 1, declined: 0, answered: 1, responseRate: 1 });
    assert.deepEqual((await told(guest.page)).map(([event, { score }]) => [event, score]), [['asked', undefined], ['answered', 9], ['answered', 9], ['answered', 9]]);
    assert.equal(events.items.length, 2);
  });

  test('knows who signed in, and leaves them alone from then on', async (t) => {
    const { server } = world;
    const [one, two] = [await made(server, 'Known'), await made(server, 'Known, too')];
    await word(server, { campaign: one.campaign, locale: 'en', question: '{name|Somebody}, would you recommend us?', followUpQuestions: { promoters: 'Why, {name|you}?' } });
    const events = listen(t, server, one.campaign, { fields: 'score comment channel identity contact { externalId email name }' });
    const contact = { externalId: 'u-17', email: 'ada@example.com', name: 'Ada <b>"Lovelace"</b>' };
    const token = await named(server, contact);
    const [first, second] = [
      await site(t, server.url, [having(one.snippet, { token })]),
      await site(t, server.url, [having(two.snippet, { token })]),
    ];
    const guest = await Guest.open(t, world);
    const card = await guest.asked(first);
    await card.getByText(`${contact.name}, would you recommend us?`).first().waitFor();
    await guest.answer(10);
    await card.getByText(`Why, ${contact.name}?`).first().waitFor();
    await guest.answer(10, 'Numbers');
    const [, { kind, response }] = await events.until(2);
    assert.deepEqual([kind, response], ['AMENDED', { score: 10, comment: 'Numbers', channel: 'WIDGET', identity: 'VERIFIED', contact }]);
    assert.deepEqual(await invitation(server, one.campaign), { status: 'ANSWERED', channel: 'WIDGET', contact: { externalId: 'u-17' } });

    await guest.passedOver(first, one.campaign);
    const day = 24 * 60 * 60;
    const nearly = (seconds, days) => assert.ok(seconds > (days - 1) * day && seconds <= days * day, `${seconds} s are not ${days} days`);
    nearly(await guest.refused(second, two.campaign), 30);
    const elsewhere = await Guest.open(t, world);
    nearly(await elsewhere.refused(first, one.campaign), 90);
    nearly(await elsewhere.refused(second, two.campaign), 30);
    assert.equal((await reach(server, one.campaign)).invited, 1);
    assert.equal((await reach(server, two.campaign)).invited, 0);

    // By another token the server says once more how long they are left alone.
    const again = await named(server, contact);
    const identify = (token) => {
      zeroten('identify', token);
      zeroten('ask');
    };
    const said = await elsewhere.told('ask', () => elsewhere.page.evaluate(identify, again));
    nearly(said.again, 30);

    // Somebody else is asked there, in the same browser, once the page says who it is; and so is whoever comes when they have gone.
    const other = await named(server, { externalId: 'u-18' });
    await elsewhere.told('ask', () => elsewhere.page.evaluate(identify, other));
    await shown(elsewhere.page);
    await elsewhere.answer(2);
    const [{ score, identity, contact: is }] = await counted(server, two.campaign);
    assert.deepEqual([score, identity, is.externalId], [2, 'VERIFIED', 'u-18']);
    await elsewhere.page.evaluate(() => zeroten('identify', null));
    await elsewhere.page.locator('zeroten-survey').waitFor({ state: 'detached' });
    await elsewhere.told('ask', () => elsewhere.page.evaluate(identify, null));
    await shown(elsewhere.page);
    await elsewhere.answer(5);
    const all = await counted(server, two.campaign);
    assert.deepEqual(all.map(({ score, identity }) => [score, identity]).sort(), [[2, 'VERIFIED'], [5, 'ANONYMOUS']]);
  });

  test('takes a token that names nobody for none', async (t) => {
    const { server } = world;
    const { campaign, snippet } = await made(server, 'Nobody');
    const token = await named(server, { externalId: 'u-19', name: 'Ada' });
    const forged = token.slice(0, -4) + (token.endsWith('AAAA') ? 'BBBB' : 'AAAA');
    const guest = await Guest.open(t, world);
    await guest.asked(await site(t, server.url, [having(snippet, { token: forged })]));
    assert.deepEqual(guest.sent.map(({ token }) => token), [forged, undefined]);
    await guest.answer(6);
    const [response] = await counted(server, campaign);
    assert.deepEqual([response.identity, response.contact], ['ANONYMOUS', null]);

    // Then the rules are those for nobody: who comes for the first time is not asked yet.
    const later = await made(server, 'Nobody, later', { firstAfterDays: 365 });
    const stranger = await Guest.open(t, world);
    const url = await site(t, server.url, [having(later.snippet, { token: forged })]);
    assert.deepEqual(await stranger.told('ask', () => stranger.visit(url)), { status: 200, ask: false, unknown: true });
    await stranger.page.waitForFunction((id) => !JSON.parse(localStorage.zeroten)[id].turn, later.campaign, { polling: 20 });
    assert.equal(await stranger.page.locator('zeroten-survey').count(), 0);
    assert.equal(stranger.asks, 1);
    assert.equal((await reach(server, later.campaign)).invited, 0);
  });

  test('counts whoever closes it as declined, and leaves them alone', async (t) => {
    const { server } = world;
    const { campaign, snippet } = await made(server, 'Closed');
    const origin = await site(t, server.url, [snippet]);
    const guest = await Guest.open(t, world);
    const card = await guest.asked(origin);
    const said = await guest.told('answer', () => guest.page.getByRole('button', { name: 'Close' }).click());
    assert.deepEqual(said, { status: 200, declined: true });
    assert.equal(await card.count(), 0);
    assert.deepEqual((await told(guest.page)).map(([event]) => event), ['asked', 'declined']);
    assert.deepEqual(await reach(server, campaign), { invited: 1, delivered: 1, declined: 1, answered: 0, responseRate: 0 });
    assert.deepEqual(await counted(server, campaign), []);
    await guest.passedOver(origin, campaign);
  });

  test('keeps a number that is chosen before it is closed', async (t) => {
    const { server } = world;
    const { campaign, snippet } = await made(server, 'Number');
    const guest = await Guest.open(t, world);
    await guest.asked(await site(t, server.url, [snippet]));
    await guest.answer(3);
    await guest.page.getByRole('button', { name: 'Close' }).click();
    const [{ score, comment }] = await counted(server, campaign);
    assert.deepEqual([score, comment], [3, null]);
    assert.deepEqual((await told(guest.page)).map(([event]) => event), ['asked', 'answered']);
    assert.deepEqual(guest.sent.map(({ action, declined }) => [action, declined]), [['ask', undefined], ['answer', undefined]]);
    const { declined, answered } = await reach(server, campaign);
    assert.deepEqual([declined, answered], [0, 1]);
  });

  test('asks on the pages that it is given alone', async (t) => {
    const { server } = world;
    const { campaign, snippet } = await made(server, 'Pages');
    const [origin, elsewhere] = [await site(t, server.url, [snippet]), await site(t, server.url, [snippet])];
    await enable(server, campaign, { pages: [`${origin}/app/*`] });
    const guest = await Guest.open(t, world);
    await guest.passedOver(`${origin}/help?from=/app/`, campaign);
    await guest.asked(`${origin}/app/settings?tab=2#part`);
    assert.equal(guest.asks, 1);

    // Another site is silent, and what it says of its pages is not believed.
    const other = await Guest.open(t, world);
    await other.passedOver(`${elsewhere}/app/settings`, campaign);
    const forged = await other.page.evaluate(
      async ([url, page]) => {
        const response = await fetch(url, { method: 'POST', body: JSON.stringify({ visitor: 'v'.repeat(22), page }), credentials: 'omit' });
        return [response.status, await response.json()];
      },
      [`${server.url}/w/${campaign}/ask`, `${origin}/app/settings`],
    );
    assert.equal(forged[0], 403);
    assert.match(forged[1].error, /not among those/);
    assert.equal((await reach(server, campaign)).invited, 1);
  });

  test('is silent once it is switched off, also where it has asked', async (t) => {
    const { server } = world;
    const [off, on] = [await made(server, 'Off'), await made(server, 'On')];
    const origin = await site(t, server.url, [off.snippet, having(on.snippet, { storage: 'off' })]);
    const asked = await Guest.open(t, world);
    await asked.asked(await site(t, server.url, [off.snippet]));
    await enable(server, off.campaign, { isEnabled: false });
    await follows(server, off.campaign, { isEnabled: false });

    const guest = await Guest.open(t, world);
    const rules = guest.page.waitForResponse(`${server.url}/w/${off.campaign}`);
    await guest.asked(origin);
    assert.deepEqual(await (await rules).json(), { isEnabled: false });
    await guest.answer(8);
    assert.equal((await counted(server, on.campaign)).length, 1);
    assert.equal(guest.asks, 1);

    // What is shown still says that nothing was taken, and takes it when the widget is on again.
    assert.equal((await asked.told('answer', () => number(asked.page, 8).click())).status, 410);
    await asked.page.locator('zeroten-survey .alert').getByText(/could not be saved/).waitFor();
    assert.deepEqual(await counted(server, off.campaign), []);
    await enable(server, off.campaign);
    await follows(server, off.campaign, { isEnabled: true });
    await asked.answer(8, 'At last');
    const [{ score, comment }] = await counted(server, off.campaign);
    assert.deepEqual([score, comment], [8, 'At last']);
  });
});

// What is seen and heard is the same on both databases.
onEachDatabase('The widget for everybody', { among: { SQLite: databases.SQLite } }, (world) => {
  for (const layout of ['BAR', 'MODAL', 'INLINE']) {
    test(`reads from right to left in a dark brand: ${layout}`, async (t) => {
      const { server } = world;
      const campaign = await dress(server, browser, { ...brands.rightToLeft, brand: brands.dark.brand });
      const snippet = await enable(server, campaign, { layout });
      const origin = await site(t, server.url, [having(snippet, { locale: 'ar', inline: '#nps' })]);
      const guest = await Guest.open(t, world, { ...narrow, bypassCSP: true, reducedMotion: 'reduce' });
      const { page } = guest;
      const card = await guest.asked(origin);
      const { wording, nextSteps } = brands.rightToLeft;
      assert.equal(await card.locator('.question').textContent(), wording.question);
      const look = await card.evaluate((element) => {
        const { direction, backgroundColor, colorScheme } = getComputedStyle(element);
        return [element.lang, direction, backgroundColor, colorScheme];
      });
      assert.deepEqual(look, ['ar', 'rtl', 'rgb(16, 20, 26)', 'dark only']);
      const at = await card.locator('.numbers button').evaluateAll((all) => all.map((button) => button.getBoundingClientRect().left));
      assert.ok(at.slice(0, 6).every((left, i) => i === 0 || left < at[i - 1]), `the scale runs from the right: ${at}`);
      await judge(page, `${layout}, asked`);
      await guest.told('answer', () => number(page, 9).tap());
      await card.getByText(wording.followUpQuestions.promoters).first().waitFor();
      await judge(page, `${layout}, answered`);
      await card.locator('textarea').fill('سريع');
      await card.locator('.send').tap();
      await card.locator('.thanks').waitFor();
      assert.equal(await card.locator('.thanks').textContent(), wording.thankYous.promoters);
      assert.deepEqual(await card.locator('.steps a').allTextContents(), nextSteps.map(({ label }) => label));
      await judge(page, `${layout}, thanked`);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nobody scrolls sideways');
    });
  }
});

describe('The demo', () => {
  const world = {};
  let mail, account, campaignOf;
  before(async () => {
    world.browser = browser;
    world.server = await Server.demo();
    [mail, account] = world.server.links;
    const { campaigns } = await world.server.ask('{ campaigns { nodes { id name } } }');
    campaignOf = Object.fromEntries(campaigns.nodes.map(({ name, id }) => [name, id]));
  });
  after(() => world.server?.stop());

  // hears subscribes to what happens from now on to a campaign.
  async function hears(t, campaign) {
    const { eventCursor } = await world.server.ask('{ eventCursor }');
    return listen(t, world.server, campaign, { fields: 'score comment channel identity contact { email }', after: eventCursor });
  }

  test('has a mail whose numbers lead to an answer', async (t) => {
    assert.equal(mail, `${world.server.url}/demo/mail`);
    const events = await hears(t, campaignOf.Relationship);
    const reader = await Reader.open(t, world);
    await reader.page.goto(mail);
    await reader.follow(9);
    await reader.send();
    await thanked(reader.page);
    const [{ kind, response }] = await events.until(1);
    assert.deepEqual([kind, response.score, response.channel, response.identity], ['RECORDED', 9, 'EMAIL', 'UNVERIFIED']);
    assert.equal(response.contact.email, 'robin@example.com');
    await reader.behaved();
  });

  test("has a customer's page that asks by itself", async (t) => {
    assert.equal(account, `${world.server.url}/demo/account`);
    const events = await hears(t, campaignOf['Support call']);
    const guest = await Guest.open(t, world);
    const card = await guest.asked(account);
    await card.getByText('After your call with our help desk, how likely are you to recommend Fjordlink?').first().waitFor();
    await guest.answer(9);
    const [first] = await events.until(1);
    assert.deepEqual([first.kind, first.response.score, first.response.channel, first.response.identity], ['RECORDED', 9, 'WIDGET', 'ANONYMOUS']);
    await guest.answer(9, 'Solved at once.');
    const [, { kind, response }] = await events.until(2);
    assert.deepEqual([kind, response.comment], ['AMENDED', 'Solved at once.']);
    assert.deepEqual(await card.locator('.steps a').allTextContents(), ['Write a review']);
  });

  const screens = {
    desk: { layout: 'BAR', options: { viewport: { width: 1100, height: 700 } } },
    phone: { layout: 'INLINE', options: { ...phone, viewport: { width: 390, height: 844 } } },
  };
  for (const [name, { layout, options }] of Object.entries(screens)) {
    test(`has pages for everybody, on a ${name}`, async (t) => {
      await enable(world.server, campaignOf['Support call'], { layout });
      await follows(world.server, campaignOf['Support call'], { layout });
      const guest = await Guest.open(t, world, { ...options, bypassCSP: true, reducedMotion: 'reduce' });
      const { page } = guest;
      await page.goto(mail);
      await judge(page, 'the mail');
      await page.goto(account);
      const card = await shown(page);
      assert.equal(await page.locator('#survey zeroten-survey').count(), layout === 'INLINE' ? 1 : 0);
      await judge(page, 'the account, asked');
      await picture(page, `demo-${name}`);
      await guest.answer(9);
      await judge(page, 'the account, answered');
      await picture(page, `demo-${name}-number`);
      await page.getByRole('button', { name: 'Send' }).click();
      await card.locator('.thanks').waitFor();
      await judge(page, 'the account, thanked');
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nobody scrolls sideways');
    });
  }
});
