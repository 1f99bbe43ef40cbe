// How the widget stands in a page, in a real browser: by keyboard, on small screens, among styles that are against it, and for those
// who read by ear.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { account, arabic, Asker, browser, colourful, dark, focus, light, number, picture, question, second, settings, shown, world } from './lib/widget.mjs';

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

describe('The layout', () => {
  const inline = [{ campaign: 'camp_one', inline: '#nps' }];

  test('BAR stands at the lower edge, and is used by the keyboard alone, which it does not take', async (t) => {
    const w = await world(t);
    const page = await w.tab();
    await page.focus('#link');
    const card = await shown(page);
    assert.equal(await focus(page), 'link');
    const box = await card.boundingBox();
    assert.ok(box.y > 350 && box.y + box.height <= 700, JSON.stringify(box));
    await page.locator('zeroten-survey [role=status]').getByText(question.question).waitFor({ state: 'attached' });
    const order = [];
    for (let i = 0; i < 6; i++) {
      await page.keyboard.press('Tab');
      order.push(await focus(page));
    }
    assert.deepEqual(order, ['ask', 'Close', '0', '1', '2', '3']);
    await page.keyboard.press('Space');
    await w.server.answered(1);
    await page.locator('zeroten-survey textarea').waitFor();
    for (let i = 0; i < 8; i++) await page.keyboard.press('Tab');
    assert.equal(await focus(page), 'comment');
    await page.keyboard.type('By keys');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByText('Thank you, detractor!').first().waitFor();
    assert.equal(await focus(page), 'thanks');
    assert.deepEqual(w.server.answers, [{ id: 'z10l_test', score: 3 }, { id: 'z10l_test', score: 3, comment: 'By keys' }]);
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Enter');
    assert.equal(await page.locator('zeroten-survey').count(), 0);
    assert.equal(await focus(page), 'ask');
  });

  test('MODAL leaves the focus alone where it comes by itself', async (t) => {
    const w = await world(t, { rules: { layout: 'MODAL' } });
    const page = await w.tab();
    await page.focus('#link');
    const card = await shown(page);
    assert.equal(await focus(page), 'link');
    assert.equal(await card.evaluate((element) => element.matches(':modal')), false);
    await card.evaluate((element) => Promise.all(element.getAnimations().map(({ finished }) => finished))); // it glides into its place
    const box = await card.boundingBox();
    assert.ok(Math.abs(box.x + box.width / 2 - 500) < 2 && Math.abs(box.y + box.height / 2 - 350) < 2, JSON.stringify(box));
    await page.click('#ask');
    assert.equal(w.server.asks.length, 1);
    await number(page, 5).focus();
    await page.keyboard.press('Escape');
    await card.waitFor({ state: 'detached' });
    assert.equal(await focus(page), 'ask');
    assert.deepEqual(await w.server.answered(1), [{ id: 'z10l_test', declined: true }]);
  });

  test('MODAL keeps the focus where it was called, and gives it back', async (t) => {
    const w = await world(t, { rules: { layout: 'MODAL', onCallOnly: true } });
    const page = await w.tab();
    await page.focus('#ask');
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: question.question });
    await dialog.waitFor();
    assert.equal(await dialog.evaluate((element) => element.getRootNode().activeElement === element && element.matches(':modal')), true);
    const seen = new Set();
    for (let i = 0; i < 40; i++) {
      await page.keyboard.press('Tab');
      seen.add(await focus(page));
    }
    assert.ok(!seen.has('link') && !seen.has('ask'), [...seen].join());
    assert.ok(seen.has('Close') && seen.has('0') && seen.has('10'), [...seen].join());
    await number(page, 9).focus();
    await page.keyboard.press('Enter');
    await w.server.answered(1);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    assert.equal(await focus(page), 'ask');
    assert.deepEqual(w.server.answers, [{ id: 'z10l_test', score: 9 }]);
  });

  test('INLINE stands in the page, once the place is there', async (t) => {
    const w = await world(t, { rules: { layout: 'INLINE' }, elements: [{ campaign: 'camp_one', inline: '#later' }], stopped: true });
    const page = await w.tab();
    await w.memory(page);
    await w.pass(5 * second);
    await w.silent(page);
    await page.evaluate(() => {
      const place = document.createElement('section');
      place.id = 'later';
      document.querySelector('main').append(place);
    });
    await w.pass(2 * second);
    await shown(page);
    assert.equal(await page.locator('#later > zeroten-survey').count(), 1);
  });

  test('INLINE needs a selector', async (t) => {
    const w = await world(t, { rules: { layout: 'INLINE' } });
    const page = await w.context.newPage();
    const warned = page.waitForEvent('console', (message) => message.text().includes('data-inline must be a CSS selector'));
    await w.visit(page);
    await warned;
    assert.deepEqual(w.server.asks, []);
  });

  for (const layout of ['BAR', 'MODAL', 'INLINE']) {
    test(`${layout} has room on the smallest screens and where pages are zoomed`, async (t) => {
      const w = await world(t, { rules: { layout }, elements: [{ ...inline[0], storage: 'off' }] });
      for (const [width, height] of [[320, 568], [640, 360], [1280, 800]]) {
        const page = await w.context.newPage();
        await page.setViewportSize({ width, height });
        await w.visit(page);
        await shown(page);
        const boxes = await page.locator('zeroten-survey button:visible').evaluateAll((buttons) =>
          buttons.map((button) => {
            button.scrollIntoView();
            const { left, right, width, height } = button.getBoundingClientRect();
            return { left, right, width, height };
          }),
        );
        assert.equal(boxes.length, 12);
        for (const { left, right, ...size } of boxes) {
          assert.ok(size.width >= 24 && size.height >= 43.5 && left >= 0 && right <= width, JSON.stringify([width, boxes]));
        }
        await number(page, 4).click();
        await page.getByRole('button', { name: 'Send' }).click();
        await page.getByText('Thank you, detractor!').first().waitFor();
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(wide <= width, `${wide} of ${width}`);
        await page.close();
      }
    });

    test(`${layout} is not touched by the style of the page`, async (t) => {
      const options = { rules: { layout }, elements: inline, context: { reducedMotion: 'reduce' } };
      const plain = await world(t, options);
      const css = `main, main * { all: revert !important; display: none !important; visibility: hidden !important; }
        html { font-size: 5px !important; letter-spacing: 9px; color: red; text-transform: uppercase; direction: rtl }
        body { transform: rotate(3deg) scale(.5); filter: blur(3px); text-align: right; line-height: 4 }
        html > :not(head, body), zeroten-survey, zeroten-survey *, :defined:not(html, body, main, #nps) {
          opacity: 0 !important; pointer-events: none !important; clip-path: circle(0) !important; position: static !important;
          width: 1px !important; height: 1px !important; transform: scale(0) !important; z-index: -1 !important; --accent: red !important;
        }
        html > :not(head, body), zeroten-survey { all: unset !important; display: none !important; }
        button, dialog, section { display: none !important; }
        main, main #nps { display: block !important; visibility: visible !important }`;
      const hostile = await world(t, { ...options, page: { css } });
      const looks = [];
      for (const w of [plain, hostile]) {
        const page = await w.tab();
        const card = await shown(page);
        await number(page, 9).click();
        await w.server.answered(1);
        looks.push(
          await card.evaluate((card) =>
            [card, ...card.querySelectorAll('*')].map((element) => {
              const { display, visibility, opacity, fontSize, color, letterSpacing, textTransform, lineHeight } = getComputedStyle(element);
              return [element.className || element.tagName, display, visibility, opacity, fontSize, color, letterSpacing, textTransform, lineHeight];
            }).filter(([name]) => name !== 'status'),
          ),
        );
        await picture(page, `${layout.toLowerCase()}-${w === plain ? 'plain' : 'hostile'}`);
      }
      assert.deepEqual(looks[1], looks[0]);
    });

    for (const [name, brand, text] of [['light', light, question], ['colourful', colourful, question], ['dark', dark, question], ['right-to-left', light, arabic]]) {
      test(`${layout} is accessible in a ${name} brand`, async (t) => {
        const w = await world(t, {
          rules: { layout, brand }, elements: inline,
          context: { bypassCSP: true, reducedMotion: 'reduce' },
        });
        w.server.questions.camp_one = text;
        const page = await w.tab();
        await shown(page);
        await page.addScriptTag({ path: axe });
        const check = async (state) => {
          const { violations, passes } = await page.evaluate(() => axe.run({ include: [['zeroten-survey']] }));
          assert.ok(passes.some(({ nodes }) => nodes.some(({ target }) => Array.isArray(target[0]))), 'axe looks into the shadow');
          const bad = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
          assert.deepEqual(bad.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), [], state);
          await picture(page, `${layout.toLowerCase()}-${name}-${state}`);
        };
        await check('asked');
        await page.locator('zeroten-survey .numbers button').nth(9).click();
        await page.locator('zeroten-survey textarea').fill('a');
        w.server.instead = () => 'cut';
        await page.locator('zeroten-survey .send').click();
        await page.getByText(text.words.tryAgain).waitFor();
        await check('failed');
        w.server.instead = () => undefined;
        await page.locator('zeroten-survey .send').click();
        await page.locator('zeroten-survey .thanks').waitFor();
        await check('thanked');
      });
    }
  }
});

describe('The example of an account', () => {
  for (const layout of ['BAR', 'MODAL', 'INLINE']) {
    test(`asks when the line was checked: ${layout}`, async (t) => {
      const server = await Asker.start(t);
      server.campaigns.camp_one = { ...settings, layout, onCallOnly: true };
      const origin = await account(t, server.url);
      const page = await browser.newPage({ viewport: { width: 1100, height: 760 }, reducedMotion: 'reduce' });
      t.after(() => page.close());
      const mistakes = [];
      page.on('pageerror', (error) => mistakes.push(error));
      page.on('console', (message) => message.type() === 'error' && mistakes.push(message.text()));
      await page.goto(`${origin}/?${new URLSearchParams({ server: server.url, campaign: 'camp_one', locale: 'en-GB', storage: 'off' })}`);
      await page.getByRole('button', { name: 'Check my line' }).click();
      await shown(page);
      assert.equal(server.asks[0].locale, 'en-GB');
      await picture(page, `account-${layout.toLowerCase()}`);
      await number(page, 9).click();
      await server.answered(1);
      await page.setViewportSize({ width: 320, height: 640 });
      await picture(page, `account-${layout.toLowerCase()}-phone`);
      assert.deepEqual(mistakes, []);
    });
  }
});
