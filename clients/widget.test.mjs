// The widget in a real browser, on a site of another origin whose policy allows as little as it can: when it asks, and what becomes
// of the answer. The server here speaks the protocol and nothing else, so that it can say what a test needs.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import ts from 'typescript';
import { arabic, day, focus, hour, light, number, pressed, question, second, settings, shown, told, world } from './lib/widget.mjs';

// source imports one of the script's sources that imports nothing itself but types.
async function source(name) {
  const text = await readFile(new URL(`../internal/survey/widget/src/${name}`, import.meta.url), 'utf8');
  const { outputText } = ts.transpileModule(text, { compilerOptions: { target: 'es2022', module: 'esnext' } });
  return import(`data:text/javascript,${encodeURIComponent(outputText)}`);
}

// drawing is a visitor who draws this lot.
async function drawing(lot) {
  const rules = await source('rules.ts');
  for (let i = 0; ; i++) {
    const visitor = String(i).padStart(22, 'v');
    if (rules.lot('camp_one', visitor) === lot) return visitor;
  }
}

// countTimers has the page count its timers that go on and on.
const countTimers = () => {
  window.timers = new Set();
  const { setInterval: set, clearInterval: clear } = window;
  window.setInterval = (...args) => {
    const id = set(...args);
    timers.add(id);
    return id;
  };
  window.clearInterval = (id) => {
    timers.delete(id);
    clear(id);
  };
};

describe('The widget asks', () => {
  test('everybody at once where nothing speaks against it, and tells the server who, where and in which language', async (t) => {
    const w = await world(t, { elements: [{ campaign: 'camp_one', token: 'eyJ.a.b', locale: 'de-AT', variant: 'B' }] });
    w.server.questions.camp_one = { ...question, variant: 'B' };
    const page = await w.tab('/settings?tab=2#part');
    await shown(page);
    const [{ visitor, ...rest }] = w.server.asks;
    assert.match(visitor, /^[\w-]{22}$/);
    assert.deepEqual(rest, { token: 'eyJ.a.b', page: `${w.origin}/settings?tab=2`, locale: 'de-AT', variant: 'B' });
    assert.deepEqual(await told(page), [['asked', { campaign: 'camp_one', variant: 'B' }]]);
    const memory = await w.memory(page);
    assert.equal(memory.visitor, visitor);
    assert.ok(memory.named[1] > Date.now() + 89 * day);
    assert.equal(memory.turn, undefined);
    assert.equal(JSON.stringify(memory).includes('eyJ'), false, 'a token is kept');
    assert.deepEqual(await w.context.cookies(), []);
    assert.deepEqual(await page.evaluate(() => Object.keys(localStorage)), ['zeroten']);
  });

  test('nobody where the campaign is off or unknown', async (t) => {
    const w = await world(t, { elements: [{ campaign: 'camp_off' }, { campaign: 'camp_none' }, { campaign: 'camp_one' }] });
    w.server.campaigns.camp_off = { isEnabled: false };
    const page = await w.tab();
    await shown(page);
    assert.deepEqual(w.server.heard.items.map(({ campaign }) => campaign), ['camp_one']);
    assert.deepEqual(Object.keys(JSON.parse(await page.evaluate(() => localStorage.zeroten))), ['camp_one']);
  });

  test('after seconds in which the page was seen, and has no timer while it is not', async (t) => {
    const w = await world(t, { rules: { afterSeconds: 10 }, stopped: true });
    const page = await w.tab();
    await w.memory(page);
    await w.pass(6 * second);
    await page.evaluate(() => seen(false));
    await w.pass(60 * second);
    await w.silent(page);
    await page.evaluate(() => seen(true));
    await w.pass(3 * second);
    await w.silent(page);
    await w.pass(2 * second);
    await shown(page);
  });

  test('without any timer while the page is hidden', async (t) => {
    const w = await world(t, { rules: { afterSeconds: 600 } });
    await w.context.addInitScript(countTimers);
    const page = await w.tab();
    await page.waitForFunction(() => timers.size === 1);
    await page.evaluate(() => seen(false));
    assert.equal(await page.evaluate(() => timers.size), 0);
    await page.evaluate(() => seen(true));
    assert.equal(await page.evaluate(() => timers.size), 1);
  });

  const now = Date.now();
  for (const [name, { rules, remembers, draws = 0, isShown }] of Object.entries({
    'was asked yesterday': { remembers: { asked: now - day } },
    'is to be left alone': { remembers: { again: now + hour } },
    'is not drawn': { rules: { samplePercent: 40 }, draws: 40 },
    'comes too early': { rules: { firstAfterDays: 7 } },
    'comes for the first time': { rules: { fromVisit: 2 } },
    'is asked': { isShown: true },
  })) {
    test(`without looking every second while whoever is there ${name}`, async (t) => {
      const w = await world(t, { rules: { afterSeconds: isShown ? 0 : 600, ...rules } });
      await w.context.addInitScript(countTimers);
      await w.context.addInitScript(
        (memory) => location.protocol === 'http:' && localStorage.setItem('zeroten', JSON.stringify({ camp_one: memory })),
        { visitor: await drawing(draws), first: now, seen: now, visits: 1, ...remembers },
      );
      const page = await w.tab();
      if (isShown) await shown(page);
      // The rules are there once the visit is noted.
      await page.waitForFunction((then) => JSON.parse(localStorage.zeroten).camp_one.seen > then, now, { polling: 20 });
      assert.equal(await page.evaluate(() => timers.size), 0);
      // Where the same page may ask in a while, it looks.
      if (isShown) return;
      await w.remember(page, { ...Object.fromEntries(Object.keys(remembers ?? {}).map((key) => [key, undefined])), visitor: await drawing(0), first: 0, visits: 2 });
      await page.evaluate(() => zeroten('identify', null));
      assert.equal(await page.evaluate(() => timers.size), 1);
    });
  }

  test('without looking into its memory as long as seconds or the page are missing', async (t) => {
    const w = await world(t, { rules: { afterSeconds: 30, pages: ['http://127.0.0.1*/account'] }, stopped: true });
    const page = await w.tab();
    await w.memory(page);
    await w.pass(2 * second);
    await page.evaluate(() => {
      window.reads = 0;
      const { getItem } = Storage.prototype;
      Storage.prototype.getItem = function (...args) {
        reads++;
        return getItem.apply(this, args);
      };
    });
    await w.pass(60 * second);
    await page.evaluate(() => history.pushState(null, '', '/account'));
    await w.pass(28 * second);
    assert.equal(await page.evaluate(() => reads), 0);
    await w.pass(5 * second);
    await shown(page);
  });

  test('from a visit on, where half an hour away makes another', async (t) => {
    const w = await world(t, { rules: { fromVisit: 3 }, stopped: true });
    const page = await w.tab();
    for (const [away, visits] of [[29 * 60 * second, 1], [29 * 60 * second, 1], [31 * 60 * second, 2]]) {
      await w.memory(page);
      await w.pass(2 * second);
      await w.silent(page);
      await page.goto('about:blank');
      await w.pass(away);
      await w.visit(page);
      await page.waitForFunction((want) => JSON.parse(localStorage.zeroten).camp_one.visits === want, visits, { polling: 20 });
    }
    await page.evaluate(() => seen(false));
    await w.pass(day);
    await page.evaluate(() => seen(true));
    await w.pass(2 * second);
    await shown(page);
    assert.equal((await w.memory(page)).visits, 3);
  });

  test('only those who are drawn, who stay so, and whom the server knows', async (t) => {
    const w = await world(t, { rules: { samplePercent: 40, afterSeconds: 1 }, stopped: true });
    const page = await w.tab();
    const visitor = await drawing(40);
    await w.memory(page);
    await w.remember(page, { visitor });
    await w.visit(page);
    await w.pass(5 * second);
    await w.silent(page);
    await page.evaluate(() => zeroten('ask'));
    await w.pass(second);
    await w.silent(page);
    await page.evaluate(() => zeroten('identify', 'eyJ.c.d'));
    await w.pass(2 * second);
    await shown(page);
    assert.deepEqual(w.server.asks.map(({ visitor, token }) => [visitor, token]), [[visitor, 'eyJ.c.d']]);
    await w.remember(page, { visitor: await drawing(39) });
    await w.visit(page);
    await w.memory(page);
    await w.pass(2 * second);
    await shown(page);
    assert.equal(w.server.asks[1].token, undefined);
  });

  for (const [name, { rules, draws = 0, asked }] of Object.entries({
    'is asked where the rules for nobody let it': { rules: { samplePercent: 40 }, draws: 39, asked: true },
    'is not asked where it is not drawn': { rules: { samplePercent: 40 }, draws: 40 },
    'is not asked before the days are over from the first on': { rules: { firstAfterDays: 7 } },
  })) {
    for (const isCalled of [false, true]) {
      test(`as nobody whom a token names no more, who ${name}${isCalled ? ', also when called' : ''}`, async (t) => {
        const w = await world(t, { rules: { onCallOnly: isCalled, ...rules }, elements: [{ campaign: 'camp_one', token: 'eyJ.old' }], stopped: true });
        const visitor = await drawing(draws);
        w.server.instead = (action, { token }) => action === 'ask' && token === 'eyJ.old' && { status: 200, body: { ask: false, unknown: true } };
        const page = await w.tab();
        await w.memory(page);
        await w.remember(page, { visitor });
        if (isCalled) await page.evaluate(() => void zeroten('ask'));
        await w.pass(2 * second);
        await w.server.heard.until(1);
        if (asked) await shown(page);
        await page.waitForFunction(() => !JSON.parse(localStorage.zeroten).camp_one.turn, undefined, { polling: 20 });
        await w.pass(60 * second);
        assert.deepEqual(w.server.asks.map(({ token }) => token), asked ? ['eyJ.old', undefined] : ['eyJ.old']);
        const { again, named, asked: at } = await w.memory(page);
        assert.deepEqual([again, named, at > 0], [undefined, undefined, !!asked]);
        if (asked) return;
        await page.evaluate((isCalled) => {
          zeroten('identify', 'eyJ.new');
          if (isCalled) zeroten('ask');
        }, isCalled);
        await w.pass(2 * second);
        await shown(page);
        assert.deepEqual(w.server.asks.map(({ token }) => token), ['eyJ.old', 'eyJ.new']);
      });
    }
  }

  test('no more by a token that has lapsed, where whoever was known last is to be left alone', async (t) => {
    const w = await world(t, { stopped: true });
    w.server.instead = (action, { token }) => {
      if (action !== 'ask' || !token) return undefined;
      return { status: 200, body: token === 'eyJ.good' ? { ask: false, again: 3600 } : { ask: false, unknown: true } };
    };
    const page = await w.tab();
    await page.evaluate(() => zeroten('identify', 'eyJ.good'));
    await w.memory(page);
    await w.pass(2 * second);
    await page.waitForFunction(() => JSON.parse(localStorage.zeroten).camp_one.named, undefined, { polling: 20 });
    await page.evaluate(() => zeroten('identify', 'eyJ.old'));
    await w.pass(2 * second);
    await w.server.heard.until(2);
    await page.waitForFunction(() => !JSON.parse(localStorage.zeroten).camp_one.turn, undefined, { polling: 20 });
    await w.pass(3580 * second);
    await w.silent(page, 2);
    await w.pass(20 * second);
    await shown(page);
    assert.deepEqual(w.server.asks.map(({ token }) => token), ['eyJ.good', 'eyJ.old', undefined]);
  });

  test('each person for themselves, and nobody, in one browser', async (t) => {
    const w = await world(t, { stopped: true });
    w.server.instead = (action, { token }) => action === 'ask' && token?.startsWith('eyJ.ada') && { status: 200, body: { ask: false, again: 30 * 86_400 } };
    const page = await w.tab();
    await page.evaluate(() => zeroten('identify', 'eyJ.ada.1'));
    await w.memory(page);
    await w.pass(2 * second);
    await page.waitForFunction(() => JSON.parse(localStorage.zeroten).camp_one.named, undefined, { polling: 20 });
    // By the same token the server has said what there is to say; by another it is to say who that is.
    await w.visit(page);
    await page.evaluate(() => zeroten('identify', 'eyJ.ada.1'));
    await w.memory(page);
    await w.pass(5 * second);
    await w.silent(page, 1);
    await page.evaluate(() => zeroten('identify', 'eyJ.ada.2'));
    await w.pass(2 * second);
    await w.server.heard.until(2);
    await page.waitForFunction(() => !JSON.parse(localStorage.zeroten).camp_one.turn, undefined, { polling: 20 });
    await page.evaluate(() => zeroten('identify', 'eyJ.bob'));
    await w.pass(2 * second);
    const card = await shown(page);
    await page.evaluate(() => zeroten('identify', null));
    await card.waitFor({ state: 'detached' });
    await w.pass(5 * second);
    await w.silent(page, 3);
    await page.evaluate(() => zeroten('identify', 'eyJ.cleo'));
    await w.pass(2 * second);
    await shown(page);
    await page.evaluate(() => zeroten('identify', null));
    await w.visit(page);
    await w.memory(page);
    await w.pass(2 * second);
    await shown(page);
    assert.deepEqual(w.server.asks.map(({ token }) => token), ['eyJ.ada.1', 'eyJ.ada.2', 'eyJ.bob', 'eyJ.cleo', undefined]);
    // Nobody was asked in this browser; whoever is known now may be the same.
    await w.visit(page);
    await page.evaluate(() => zeroten('identify', 'eyJ.bob.2'));
    await w.memory(page);
    await w.pass(5 * second);
    await w.silent(page, 5);
  });

  test('again after waitDays, whatever was done with the question', async (t) => {
    const w = await world(t, { rules: { waitDays: 30 }, stopped: true });
    const page = await w.tab();
    await w.memory(page);
    await w.pass(2 * second);
    await shown(page);
    await page.goto('about:blank');
    await w.pass(30 * day - hour);
    await w.visit(page);
    await w.pass(5 * second);
    await w.silent(page, 1);
    await page.evaluate(() => zeroten('ask'));
    await w.pass(second);
    await w.silent(page, 1);
    await page.goto('about:blank');
    await w.pass(hour);
    await w.visit(page);
    await w.memory(page);
    await w.pass(5 * second);
    await shown(page);
    assert.equal(w.server.asks.length, 2);
  });

  test('not before the server wants to be asked again', async (t) => {
    const w = await world(t, { stopped: true });
    w.server.questions.camp_one = { ask: false, again: 3600 };
    const page = await w.tab();
    await w.memory(page);
    await w.pass(2 * second);
    await page.waitForFunction(() => JSON.parse(localStorage.zeroten).camp_one.again, undefined, { polling: 20 });
    w.server.questions.camp_one = question;
    await w.pass(3590 * second);
    await w.silent(page, 1);
    await page.evaluate(() => zeroten('ask'));
    await w.silent(page, 1);
    await w.pass(20 * second);
    await shown(page);
  });

  test('first so many days after it saw the browser first', async (t) => {
    const w = await world(t, { rules: { firstAfterDays: 7 }, stopped: true });
    const page = await w.tab();
    await w.memory(page);
    await w.pass(2 * second);
    await w.silent(page);
    await page.evaluate(() => zeroten('ask'));
    await w.pass(second);
    await w.silent(page);
    await page.goto('about:blank');
    await w.pass(7 * day);
    await w.visit(page);
    await w.memory(page);
    await w.pass(2 * second);
    await shown(page);
  });

  test('on its pages, also where a script changes the address, whose seconds count anew', async (t) => {
    const w = await world(t, { rules: { afterSeconds: 5, pages: ['http://127.0.0.1*/account/*', 'https://other.example/*'] }, stopped: true });
    const page = await w.tab('/start');
    await w.memory(page);
    await w.pass(20 * second);
    await w.silent(page);
    await page.evaluate(() => history.pushState(null, '', '/account/bills?page=2'));
    await w.pass(4 * second);
    await page.evaluate(() => history.pushState(null, '', '/account'));
    await w.pass(20 * second);
    await w.silent(page);
    await page.evaluate(() => history.pushState(null, '', '/account/bills'));
    await w.pass(4 * second);
    await w.silent(page);
    await w.pass(3 * second);
    await shown(page);
    assert.equal(w.server.asks[0].page, `${w.origin}/account/bills`);
  });

  test('only when called, where so it is set, and then despite seconds, visits and pages', async (t) => {
    const rules = { onCallOnly: true, afterSeconds: 600, fromVisit: 9, pages: ['https://other.example/*'] };
    const w = await world(t, { rules, stopped: true });
    const page = await w.tab();
    await w.memory(page);
    await w.pass(700 * second);
    await w.silent(page);
    await page.click('#ask');
    await w.pass(second);
    await shown(page);
  });

  test('when called before the script was there', async (t) => {
    const w = await world(t, { rules: { onCallOnly: true } });
    const page = await w.tab('/#early');
    await shown(page);
    assert.deepEqual(await told(page), [['asked', { campaign: 'camp_one' }]]);
  });

  test('in one of two tabs, whichever', async (t) => {
    const w = await world(t, { rules: { onCallOnly: true } });
    const tabs = [await w.tab('/a'), await w.tab('/b')];
    for (const tab of tabs) await w.memory(tab);
    await Promise.all(tabs.map((tab) => tab.evaluate(() => zeroten('ask'))));
    await Promise.any(tabs.map((tab) => shown(tab)));
    for (const tab of tabs) {
      await tab.waitForFunction(() => !JSON.parse(localStorage.zeroten).camp_one.turn, undefined, { polling: 20 });
      // Nothing is on its way any more: it would ask now, if it might.
      await tab.evaluate(() => zeroten('ask'));
    }
    assert.equal(w.server.asks.length, 1);
    const counts = await Promise.all(tabs.map((tab) => tab.locator('zeroten-survey').count()));
    assert.deepEqual(counts.sort(), [0, 1]);
  });

  test('in another tab where the one whose turn it was has gone', async (t) => {
    const w = await world(t, { stopped: true });
    const page = await w.tab('/');
    await page.goto('about:blank');
    await page.goto(`${w.origin}/site.js`);
    await page.evaluate(() => {
      const now = Date.now();
      const one = { visitor: 'A'.repeat(22), first: now, seen: now, visits: 1, turn: ['another tab', now] };
      localStorage.setItem('zeroten', JSON.stringify({ camp_one: one }));
    });
    await w.visit(page);
    await w.pass(20 * second);
    assert.deepEqual(w.server.asks, []);
    await w.pass(12 * second);
    await shown(page);
    assert.equal(w.server.asks[0].visitor, 'A'.repeat(22));
  });

  test('each page view anew where nothing may be stored', async (t) => {
    const w = await world(t, { elements: [{ campaign: 'camp_one', storage: 'off' }] });
    const page = await w.tab();
    await shown(page);
    await page.getByRole('button', { name: 'Close' }).click();
    await w.visit(page);
    await shown(page);
    const [one, two] = w.server.asks;
    assert.notEqual(one.visitor, two.visitor);
    assert.equal(await page.evaluate(() => localStorage.length), 0);
  });

  for (const [name, breakStorage] of Object.entries({
    'cannot be had': () => Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } }),
    'is full': () => (Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }),
    'holds something else': () => location.protocol === 'http:' && localStorage.setItem('zeroten', location.pathname === '/a' ? '{"camp_one":{"visitor":7}}' : '"}'),
  })) {
    test(`where storage ${name}`, async (t) => {
      const w = await world(t);
      await w.context.addInitScript(breakStorage);
      for (const path of ['/a', '/b']) {
        const page = await w.tab(path);
        await shown(page);
        assert.match(w.server.asks.at(-1).visitor, /^[\w-]{22}$/);
      }
    });
  }

  test('for two campaigns on a page, one after the other, and once for a script that stands there twice', async (t) => {
    const elements = [{ campaign: 'camp_one' }, { campaign: 'camp_two' }, { campaign: 'camp_one' }];
    const w = await world(t, { elements });
    w.server.campaigns.camp_two = settings;
    w.server.questions.camp_two = { ...question, id: 'z10l_two' };
    const page = await w.tab();
    await shown(page);
    assert.equal(w.server.asks.length, 1);
    await page.getByRole('button', { name: 'Close' }).click();
    await w.server.heard.until((items) => items.filter(({ action }) => action === 'ask').length === 2);
    await shown(page);
    assert.equal(await page.locator('zeroten-survey').count(), 1);
    const campaigns = w.server.heard.items.filter(({ action }) => action === 'ask').map(({ campaign }) => campaign);
    assert.deepEqual(campaigns.sort(), ['camp_one', 'camp_two']);
    assert.equal(new Set(w.server.asks.map(({ visitor }) => visitor)).size, 2, 'campaigns know a browser by other names');
  });

  test('no more for whoever has left, whose question goes', async (t) => {
    const w = await world(t, { elements: [{ campaign: 'camp_one', token: 'eyJ.a.b' }] });
    const page = await w.tab();
    const card = await shown(page);
    await page.evaluate(() => zeroten('identify', null));
    await card.waitFor({ state: 'detached' });
    assert.deepEqual(w.server.answers, []);
    assert.deepEqual((await told(page)).map(([event]) => event), ['asked']);
  });

  test('on, where nobody was known and nobody is', async (t) => {
    const w = await world(t);
    const page = await w.tab();
    await shown(page);
    await page.evaluate(() => zeroten('identify', null));
    await number(page, 1).click();
    assert.deepEqual(await w.server.answered(1), [{ id: 'z10l_test', score: 1 }]);
  });

  test('again after a failure, with more and more time between, or not at all where it was refused', async (t) => {
    const w = await world(t, { stopped: true });
    w.server.instead = () => ({ status: 503, headers: { 'retry-after': '5' } });
    const page = await w.tab();
    await w.memory(page);
    await w.pass(2 * second);
    await w.server.heard.until(1);
    await page.waitForFunction(() => !JSON.parse(localStorage.zeroten).camp_one.turn, undefined, { polling: 20 });
    await w.pass(50 * second);
    await w.silent(page, 1);
    w.server.instead = () => ({ status: 403 });
    const refusal = page.waitForEvent('console', (message) => message.text().includes('the server refuses to ask here (403)'));
    await w.pass(15 * second);
    await refusal;
    await w.pass(hour);
    await w.silent(page, 2);
  });
});

describe('The question', () => {
  test('takes a number at once, another one instead, and a comment', async (t) => {
    const w = await world(t);
    const page = await w.tab();
    await shown(page);
    await number(page, 3).click();
    assert.deepEqual(await w.server.answered(1), [{ id: 'z10l_test', score: 3 }]);
    await page.getByLabel('What went wrong? (optional)').waitFor();
    assert.deepEqual(await pressed(page), ['3']);
    await number(page, 10).click();
    await w.server.answered(2);
    await page.getByLabel('What do you like best? (optional)').fill('  Your <b>people</b>.\nAll of them ');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('Thank you, promoter!').first().waitFor();
    assert.deepEqual(w.server.answers.slice(1), [
      { id: 'z10l_test', score: 10 },
      { id: 'z10l_test', score: 10, comment: 'Your <b>people</b>.\nAll of them' },
    ]);
    const links = page.locator('zeroten-survey .steps a');
    assert.deepEqual(await links.allTextContents(), ['Write a review', 'Read our news']);
    for (const link of await links.all()) {
      assert.equal(await link.getAttribute('rel'), 'noopener noreferrer');
      assert.equal(await link.getAttribute('target'), '_blank');
    }
    assert.equal(await focus(page), 'thanks');
    await page.getByRole('button', { name: 'Close' }).click();
    assert.equal(await page.locator('zeroten-survey').count(), 0);
    assert.equal(w.server.answers.length, 3);
    assert.deepEqual((await told(page)).map(([event, { score, comment }]) => [event, score, comment]), [
      ['asked', undefined, undefined],
      ['answered', 3, undefined],
      ['answered', 10, undefined],
      ['answered', 10, 'Your <b>people</b>.\nAll of them'],
    ]);
  });

  test('takes no comment where there is none, and at most 10,000 characters', async (t) => {
    const w = await world(t);
    const page = await w.tab();
    await shown(page);
    await number(page, 7).click();
    const field = page.getByLabel('What is missing? (optional)');
    assert.equal(await field.getAttribute('maxlength'), '10000');
    await field.fill(' \n ');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('Thank you, passive!').first().waitFor();
    assert.deepEqual(w.server.answers, [{ id: 'z10l_test', score: 7 }, { id: 'z10l_test', score: 7 }]);
    assert.deepEqual(await page.locator('zeroten-survey .steps a').allTextContents(), ['Read our news']);
  });

  test('is declined by closing it', async (t) => {
    const w = await world(t);
    const page = await w.tab();
    const card = await shown(page);
    await page.getByRole('button', { name: 'Close' }).click();
    await card.waitFor({ state: 'detached' });
    assert.deepEqual(await w.server.answered(1), [{ id: 'z10l_test', declined: true }]);
    assert.deepEqual((await told(page)).map(([event]) => event), ['asked', 'declined']);
  });

  for (const [name, failure] of Object.entries({
    'the network fails': 'cut',
    'there were too many': { status: 429, headers: { 'retry-after': '1' } },
    'nothing could be kept': { status: 503, headers: { 'retry-after': '1' } },
  })) {
    test(`keeps what was typed where ${name}, and says so`, async (t) => {
      const w = await world(t);
      const page = await w.tab();
      await shown(page);
      w.server.instead = () => failure;
      const alert = page.locator('zeroten-survey [role=alert]');
      await number(page, 2).click();
      await alert.getByText('Not sent. Please try again.').waitFor();
      const field = page.locator('zeroten-survey textarea');
      await field.fill('It was late');
      const failed = w.server.answers.length;
      await page.getByRole('button', { name: 'Send' }).click();
      await w.server.answered(failed + 1);
      await alert.getByText('Not sent. Please try again.').waitFor();
      assert.equal(await field.inputValue(), 'It was late');
      assert.deepEqual((await told(page)).map(([event]) => event), ['asked']);
      w.server.instead = () => undefined;
      await page.getByRole('button', { name: 'Send' }).click();
      await page.getByText('Thank you, detractor!').first().waitFor();
      assert.deepEqual(w.server.answers.at(-1), { id: 'z10l_test', score: 2, comment: 'It was late' });
      assert.equal(await alert.count(), 0);
    });
  }

  test('sends a number that did not arrive once more when it is closed', async (t) => {
    const w = await world(t);
    const page = await w.tab();
    await shown(page);
    w.server.instead = () => ({ status: 503 });
    await number(page, 8).click();
    await page.getByText('Not sent. Please try again.').waitFor();
    w.server.instead = () => undefined;
    await page.getByRole('button', { name: 'Close' }).click();
    assert.deepEqual(await w.server.answered(2), [{ id: 'z10l_test', score: 8 }, { id: 'z10l_test', score: 8 }]);
  });

  test('sends a comment that did not arrive once more when it is closed', async (t) => {
    const w = await world(t);
    const page = await w.tab();
    await shown(page);
    await number(page, 8).click();
    await w.server.answered(1);
    w.server.instead = () => ({ status: 503 });
    await page.locator('zeroten-survey textarea').fill('It was late');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('Not sent. Please try again.').waitFor();
    w.server.instead = () => undefined;
    await page.getByRole('button', { name: 'Close' }).click();
    const whole = { id: 'z10l_test', score: 8, comment: 'It was late' };
    assert.deepEqual((await w.server.answered(3)).slice(1), [whole, whole]);
  });

  test('sends a comment once more that fails while it is closed', async (t) => {
    const w = await world(t);
    const page = await w.tab();
    await shown(page);
    await number(page, 8).click();
    await w.server.answered(1);
    let hold;
    const held = new Promise((resolve) => (hold = resolve));
    await page.route('**/answer', hold, { times: 1 });
    await page.locator('zeroten-survey textarea').fill('It was late');
    await page.getByRole('button', { name: 'Send' }).click();
    const route = await held;
    await page.getByRole('button', { name: 'Close' }).click();
    assert.equal(await page.locator('zeroten-survey').count(), 0);
    await route.abort();
    assert.deepEqual((await w.server.answered(2))[1], { id: 'z10l_test', score: 8, comment: 'It was late' });
  });

  test('sends a comment that did not arrive with the number that is chosen then, and thanks once Send is pressed', async (t) => {
    const w = await world(t);
    const page = await w.tab();
    await shown(page);
    await number(page, 8).click();
    await w.server.answered(1);
    w.server.instead = () => ({ status: 503 });
    await page.locator('zeroten-survey textarea').fill('It was late');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('Not sent. Please try again.').waitFor();
    w.server.instead = () => undefined;
    await number(page, 7).click();
    assert.deepEqual((await w.server.answered(3))[2], { id: 'z10l_test', score: 7, comment: 'It was late' });
    await page.waitForFunction(() => told.at(-1)[1].comment);
    assert.equal(await page.locator('zeroten-survey .thanks').count(), 0);
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('Thank you, passive!').first().waitFor();
  });

  test('listens to people, not to scripts', async (t) => {
    const w = await world(t);
    const page = await w.tab();
    await shown(page);
    await page.evaluate(() => {
      const root = document.querySelector('zeroten-survey').shadowRoot;
      for (const button of root.querySelectorAll('button')) {
        button.click();
        button.dispatchEvent(new MouseEvent('click', { bubbles: true, composed: true }));
      }
      root.querySelector('.card').dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape' }));
      root.querySelector('.card').dispatchEvent(new Event('cancel'));
    });
    assert.deepEqual(await pressed(page), []);
    await number(page, 6).click();
    assert.deepEqual(await w.server.answered(1), [{ id: 'z10l_test', score: 6 }]);
  });

  test('takes nothing that the server says for markup, and links to https alone', async (t) => {
    const w = await world(t, { rules: { brand: { ...light, name: '<i>Acme</i>', accent: 'red;}*{display:none', privacyPolicy: 'javascript:alert(1)' } } });
    w.server.questions.camp_one = {
      ...question, question: '<img src=x onerror=alert(1)>', lowLabel: '<b>low</b>',
      thankYous: { ...question.thankYous, promoters: '<script>alert(1)</script>' },
      experience: { label: 'x', url: ' JaVaScRiPt:alert(1)' },
      steps: ['javascript:alert(1)', 'java\nscript:alert(1)', 'data:text/html,x', 'http://plain.example/', '//relative.example', 'no', 'https://good.example/']
        .map((url) => ({ label: url, url })),
    };
    const page = await w.tab();
    await shown(page);
    await page.getByText('<img src=x onerror=alert(1)>').first().waitFor();
    await number(page, 9).click();
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('<script>alert(1)</script>').first().waitFor();
    const links = page.locator('zeroten-survey a');
    assert.deepEqual(await links.evaluateAll((all) => all.map((a) => a.href)), ['https://good.example/']);
    assert.equal(await page.locator('zeroten-survey :is(img, script, b, i)').count(), 0);
  });

  test('takes nothing in the page for its own script element', async (t) => {
    const w = await world(t, { page: { body: '<img name="currentScript" src="/i.png" data-campaign="camp_two" alt=""><form id="zeroten"><input name="begin"></form>' } });
    const page = await w.context.newPage();
    const asked = [];
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    const warned = page.waitForEvent('console', (message) => message.text().includes('classic script element'));
    await page.goto(w.origin);
    await warned;
    await page.waitForLoadState('networkidle');
    assert.deepEqual(asked.filter((path) => path.startsWith('/w/')), []);
    assert.deepEqual(await page.evaluate(() => violations.map(([directive]) => directive)), ['img-src']); // the site shows no images
  });

  test('says which language it is in, and runs from the right', async (t) => {
    const w = await world(t);
    w.server.questions.camp_one = { ...arabic, questionLocale: 'en', question: question.question };
    const page = await w.tab();
    const card = await shown(page);
    assert.equal(await card.getAttribute('lang'), 'ar');
    assert.equal(await card.getAttribute('dir'), 'rtl');
    assert.equal(await page.locator('#question').getAttribute('lang'), 'en');
    assert.equal(await page.locator('#question').evaluate((element) => getComputedStyle(element).direction), 'ltr');
    const places = await page.locator('zeroten-survey .numbers button').evaluateAll((all) => all.map((b) => b.getBoundingClientRect().x));
    assert.deepEqual(places, places.toSorted((a, b) => b - a));
    assert.deepEqual(await page.locator('zeroten-survey .numbers button').allTextContents(), [...'0123456789', '10']);
  });
});

test('Patterns of pages', async () => {
  const { matches } = await source('rules.ts');
  for (const [pattern, page, want] of [
    ['https://app.example/*', 'https://app.example/', true],
    ['https://app.example/*', 'https://app.example/a/b?c=/d', true],
    ['https://app.example/*', 'http://app.example/a', false],
    ['https://app.example/*', 'https://app.example:8443/a', false],
    ['https://app.example/*', 'https://app.example.evil.example/', false],
    ['https://app.example/', 'https://app.example/a', false],
    ['https://app.example/a', 'https://app.example/a#b', true],
    ['https://app.example/a', 'https://app.example/a?b', false],
    ['https://app.example/a*', 'https://app.example/a?b', true],
    ['https://APP.example/a', 'https://app.example/a', true],
    ['https://app.example/A', 'https://app.example/a', false],
    ['https://*.example/*', 'https://a.b.example/x', true],
    ['https://*.example/*', 'https://evil.com/.example/x', false],
    ['https://*.example/*', 'https://example/x', false],
    ['https://app.example/*/edit', 'https://app.example/a/b/edit', true],
    ['https://app.example/*/edit', 'https://app.example/edit', false],
    ['https://app.example/*a*a', 'https://app.example/a', false],
    ['https://app.example/*a*a', 'https://app.example/aa', true],
    ['https://app.example/*ab*ba*', 'https://app.example/aba', false],
    ['https://app.example/**', 'https://app.example/', true],
    ['https://app.example/a.c', 'https://app.example/abc', false],
    ['https://app.example/(x)+[y]?', 'https://app.example/(x)+[y]?', true],
    ['http://localhost:*/x', 'http://localhost:5173/x', true],
  ]) {
    assert.equal(matches([pattern], page), want, `${pattern} of ${page}`);
    assert.equal(matches(['https://no.example/*', pattern], page), want);
  }
  assert.equal(matches([], 'https://app.example/'), true);
  // Hostile patterns take no time: with a regular expression this would not end.
  assert.equal(matches([`https://app.example/${'*a'.repeat(60)}b`], `https://app.example/${'a'.repeat(100_000)}`), false);
});

// The server draws the same: internal/survey has these, too.
test('Lots', async () => {
  const { lot } = await source('rules.ts');
  for (const [visitor, want] of [['AAAAAAAAAAAAAAAAAAAAAA', 24], ['Zm9vYmFyLWJhel9xdXV4MQ', 24], ['----------____________', 80]]) {
    assert.equal(lot('camp_01j8000000e008000000000001', visitor), want);
  }
});
