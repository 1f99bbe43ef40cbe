// What is tried of the survey's pages and mails in a real browser.
import assert from 'node:assert/strict';
import { createClient } from 'graphql-ws';
import { chromium } from 'playwright-core';
import WebSocket from 'ws';
import { Inbox } from './inbox.mjs';

// launch starts the browser.
export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
}

// phone is a usual phone, and narrow the narrowest that there is (WCAG 2.2, 1.4.10).
export const phone = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
export const narrow = { ...phone, viewport: { width: 320, height: 568 } };

// mailbox is where the mails of the tests are read. The browser is answered by the tests themselves.
const mailbox = 'http://mail.example/';

// Reader is somebody with a browser of their own, who reads mails and pages. What no page may do is noted as it happens: requests to
// others, violations of a page's policy, errors, cookies, and whatever else is kept in the browser.
export class Reader {
  mistakes = [];

  // open makes one. options are those of a context of playwright's.
  static async open(t, world, options = {}) {
    const reader = new Reader();
    reader.world = world;
    reader.scripted = options.javaScriptEnabled !== false;
    const context = (reader.context = await world.browser.newContext({ ...phone, locale: 'en', ...options }));
    t.after(() => context.close());
    const fault = (text) => reader.mistakes.push(text);
    await context.route(`${mailbox}**`, (route) =>
      route.request().url() === mailbox
        ? route.fulfill({ contentType: 'text/html; charset=utf-8', body: reader.html })
        : route.fulfill({ status: 204 }),
    );
    context.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(`${world.server.url}/`) && !url.startsWith(mailbox)) fault(`a request to ${url}`);
    });
    context.on('response', async (response) => {
      if ('set-cookie' in (await response.allHeaders())) fault(`${response.url()} sets a cookie`);
    });
    context.on('console', (message) => {
      const where = message.location().url;
      // Chromium tells of every status that is no success.
      if (message.type() === 'error' && !/status of 4\d\d/.test(message.text())) fault(`${where} says ${message.text()}`);
    });
    context.on('weberror', (error) => fault(`${error.page()?.url()} fails: ${error.error()}`));
    reader.page = await context.newPage();
    return reader;
  }

  // read opens a mail with this HTML in it.
  async read(html, page = this.page) {
    this.html = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
      <title>News</title><body style="margin:8px"><main>${html}</main>`;
    await page.goto(mailbox);
  }

  // number is the link of a mail that leads to a number.
  number(score, page = this.page) {
    return page.locator(`a[href*="/${score}?"], a[href$="/${score}"]`);
  }

  // follow goes where a number of the mail leads.
  async follow(score, page = this.page) {
    await this.number(score, page).tap();
    await page.waitForURL(new RegExp(`/${score}([?]|$)`));
  }

  // choose chooses a number on the page.
  choose(score, page = this.page) {
    return page.locator(`.numbers label:has([value="${score}"])`).click();
  }

  // send sends the page as somebody does who has looked at it.
  async send(page = this.page) {
    await this.ready(page);
    await page.locator('button').click();
  }

  // chosen is the number that is chosen on the page; null where none is.
  async chosen(page = this.page) {
    const all = page.locator('input[name=score]:checked');
    return (await all.count()) === 0 ? null : Number(await all.inputValue());
  }

  // ready waits until the page's script takes what somebody does for a sign of a person, which it does not do at once.
  async ready(page = this.page) {
    await page.waitForLoadState('load');
    if (!this.scripted) return;
    const now = await page.evaluate(() => performance.now());
    await page.waitForFunction((begin) => performance.now() - begin > 500, now);
  }

  // behaved fails where something happened that no page may do.
  async behaved() {
    assert.deepEqual(this.mistakes, []);
    assert.deepEqual(await this.context.cookies(), []);
    for (const page of this.context.pages()) {
      if (!this.scripted || !page.url().startsWith(this.world.server.url)) continue;
      const kept = await page.evaluate(async () => [localStorage.length, sessionStorage.length, (await indexedDB.databases()).length]);
      assert.deepEqual(kept, [0, 0, 0], `${page.url()} keeps something in the browser`);
    }
  }
}

// thanked waits for the thank-you page.
export async function thanked(page) {
  await page.waitForURL(/\/s\/z10l_/);
  await page.locator('form.again').waitFor();
}

// listen subscribes to what happens to a campaign's responses, from a place in the log, else its beginning, and returns the inbox of the
// events, with these fields of the response.
export function listen(t, server, campaign, { fields = 'score comment', after = '' } = {}) {
  const client = createClient({
    url: server.endpoint.replace('http', 'ws'),
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${server.key}` },
    retryAttempts: 0,
  });
  t.after(() => client.dispose());
  const inbox = new Inbox();
  client.subscribe(
    {
      query: `subscription ($campaigns: [ID!], $after: String) {
        feedbackReceived(filter: { campaigns: $campaigns }, after: $after) { kind responseId previousScore response { ${fields} } }
      }`,
      variables: { campaigns: [campaign], after },
    },
    {
      next: ({ data, errors }) => (errors ? inbox.fail(errors[0]) : inbox.push(data.feedbackReceived)),
      error: (error) => inbox.fail(error),
      complete: () => inbox.fail(new Error('the subscription ended')),
    },
  );
  return inbox;
}

// counted is what the campaign's score and trend count, and its responses.
export async function counted(server, campaign) {
  const { feedback, responses } = await server.ask(
    `query ($campaigns: [ID!]) {
      feedback(filter: { campaigns: $campaigns }) { score { responses } trend { score { responses } } }
      responses(filter: { campaigns: $campaigns }) {
        nodes { id score comment channel locale identity contact { email externalId name } }
      }
    }`,
    { campaigns: [campaign] },
  );
  const trend = feedback.trend.reduce((sum, point) => sum + point.score.responses, 0);
  assert.equal(feedback.score.responses, responses.nodes.length);
  assert.equal(trend, responses.nodes.length);
  return responses.nodes;
}

// snippet is the bar of a campaign, as a provider is given it.
export async function snippet(server, campaign, { provider = 'MAILCHIMP', recipient = 'EMAIL', mergeTag, locale } = {}) {
  const data = await server.ask(
    `query ($id: ID!, $provider: MailProvider!, $recipient: RecipientKey!, $mergeTag: String, $locale: Locale) {
      campaign(id: $id) {
        emailSnippet(provider: $provider, recipient: $recipient, mergeTag: $mergeTag, locale: $locale) { html text mergeTag links preview }
      }
    }`,
    { id: campaign, provider, recipient, mergeTag, locale },
  );
  return data.campaign.emailSnippet;
}

// link is a campaign's link for everybody.
export async function link(server, campaign, locale) {
  const query = 'query ($id: ID!, $locale: Locale) { campaign(id: $id) { link(locale: $locale) { url } } }';
  return (await server.ask(query, { id: campaign, locale })).campaign.link.url;
}

// formOf is what the form of a page has in it that nobody has touched, and where it goes. url is the page's.
export function formOf(html, url) {
  const fields = new URLSearchParams();
  for (const [, name, value = ''] of html.matchAll(/<input type="hidden" name="(\w+)"(?: value="([^"]*)")?>/g)) fields.append(name, value);
  const [, chosen] = /value="(\d+)" checked/.exec(html) ?? [];
  if (chosen) fields.append('score', chosen);
  fields.append('comment', '');
  const [, action] = /<form method="post" action="([^"]*)"/.exec(html);
  return { action: new URL(action.replaceAll('&amp;', '&'), url), fields };
}
