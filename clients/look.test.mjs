// How the mail and the pages look, in a real browser: to those who see little, use a small screen, large letters, other colours, or
// read from right to left. With SCREENSHOTS it takes pictures.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { judge } from './lib/axe.mjs';
import { brands, dress } from './lib/brands.mjs';
import { databases, onEachDatabase } from './lib/server.mjs';
import { launch, narrow, phone, Reader, snippet, thanked } from './lib/survey.mjs';
import { makeCampaign } from './lib/tenant.mjs';

const desk = { viewport: { width: 1100, height: 800 }, deviceScaleFactor: 1, isMobile: false, hasTouch: false };

onEachDatabase('A page for everybody', { among: { SQLite: databases.SQLite } }, (world) => {
  before(async () => {
    world.browser = await launch();
  });
  after(() => world.browser?.close());

  // fits fails where one has to scroll sideways, where a text is cut off, or where something to click is too small (WCAG 2.2: 1.4.10,
  // 1.4.4, 2.5.8).
  async function fits(page, what) {
    await page.waitForLoadState('load'); // a logo has no width before
    const found = await page.evaluate(() => {
      const faults = [];
      const { scrollWidth, clientWidth } = document.documentElement;
      if (scrollWidth > clientWidth) faults.push(`${scrollWidth} px on a screen of ${clientWidth}`);
      for (const element of document.querySelectorAll('a, button, label, textarea, input, h1, h2, legend, p')) {
        const box = element.getBoundingClientRect();
        const name = `${element.tagName} ${element.textContent.trim().slice(0, 30)}`;
        if (getComputedStyle(element).display === 'none' || element.type === 'hidden') continue;
        if (box.left < 0 || box.right > clientWidth + 0.5) faults.push(`${name} ends at ${box.left} and ${box.right}`);
        if (element.matches('a, button, textarea, input') && (box.width < 24 || box.height < 24)) {
          faults.push(`${name} is ${box.width} × ${box.height}`);
        }
        if (element.matches('button, a.step, .numbers label') && element.scrollWidth > element.clientWidth + 1) faults.push(`${name} is cut off`);
      }
      return faults;
    });
    assert.deepEqual(found, [], what);
  }

  // picture takes one where SCREENSHOTS wants them.
  async function picture(page, name) {
    if (!process.env.SCREENSHOTS) return;
    await mkdir(process.env.SCREENSHOTS, { recursive: true });
    await page.screenshot({ path: `${process.env.SCREENSHOTS}/${name}.png`, fullPage: true });
  }

  // sizes are the screens, and whether axe looks at the pages there: hardly anything that it knows goes by the size.
  const sizes = { phone: { options: phone, judged: true }, narrow: { options: narrow }, desk: { options: desk } };

  for (const [name, look] of Object.entries(brands)) {
    const { locale = 'en' } = look;
    for (const [size, { options, judged }] of Object.entries(sizes)) {
      test(`in the look of ${name} is well made, ${size}`, async (t) => {
        const { server } = world;
        const campaign = await dress(server, world.browser, look);
        const page = `${server.url}/s/${campaign}`;
        const reader = await Reader.open(t, world, { ...options, locale, bypassCSP: true });
        const tab = reader.page;
        const see = async (what) => {
          const where = `${what}, ${name}, ${size}`;
          await fits(tab, where);
          await picture(tab, `${name}-${what}-${size}`);
          if (judged) await judge(tab, where);
        };
        const noticed = () => tab.locator('.notice').waitFor();

        await tab.setContent((await snippet(server, campaign, { locale })).preview);
        await see('mail');
        await tab.goto(`${page}/9`);
        assert.equal(await reader.chosen(), 9);
        await see('page');
        if (size !== 'desk') {
          await tab.goto(page);
          assert.equal(await reader.chosen(), null);
          await see('page-without-number');
          await tab.locator('button').click();
          await noticed();
          assert.equal(await tab.evaluate(() => document.activeElement.className), 'notice', 'what is wrong has the focus');
          await see('no-number');
          await tab.goto(`${page}/9`);
          await tab.locator('form').evaluate((form) => form.submit());
          await noticed();
          await see('confirm');
          await tab.goto(`${page}/6`);
          await tab.locator('textarea').evaluate((field) => field.removeAttribute('maxlength'));
          await tab.locator('textarea').fill('x'.repeat(10_001));
          await tab.locator('button').click();
          await noticed();
          await see('too-long');
          await tab.goto(`${page}?preview=1`);
          await noticed();
          await see('preview');
        }
        await tab.goto(`${page}/10`);
        await reader.choose(9);
        await tab.locator('button').click();
        await thanked(tab);
        const steps = look.nextSteps.filter(({ categories }) => !categories || categories.includes('PROMOTER'));
        assert.deepEqual(await tab.locator('a.step').allTextContents(), steps.map(({ label }) => label));
        await see('thanks');
        await tab.goto(`${page}/10?e=${name}-${size}%40example.com`);
        await reader.choose(9);
        await tab.locator('button').click();
        await thanked(tab);
        await tab.locator('#kept').waitFor();
        await see('thanks-of-a-mail');
        assert.equal((await tab.goto(`${server.url}/s/z10l_nothing`)).status(), 404);
        await see('unknown');

        // Letters twice as large (WCAG 2.2, 1.4.4).
        for (const url of [`${page}/9`, `${page}?preview=1`]) {
          await tab.goto(url);
          await tab.addStyleTag({ content: 'html { font-size: 200% !important }' });
          await fits(tab, `${url} with large letters, ${name}, ${size}`);
        }

        await tab.goto(page);
        await reader.choose(3);
        await tab.locator('textarea').fill('Somebody wrote this.\nAnd this.');
        await server.ask('mutation ($id: ID!) { updateCampaign(input: { id: $id, status: CLOSED }) { userErrors { message } } }', { id: campaign });
        const aside = await tab.context().newPage();
        for (let tries = 0; (await aside.goto(page)).status() !== 410; tries++) {
          assert.ok(tries < 100, 'a campaign that is closed is still asked');
          await setTimeout(100);
        }
        await aside.close();
        await tab.locator('button').click();
        await tab.locator('textarea[readonly]').waitFor();
        assert.equal(await tab.locator('textarea').inputValue(), 'Somebody wrote this.\nAnd this.');
        await see('given-back');
        await tab.goto(page);
        await see('closed');
      });
    }
  }

  test('says which number is chosen without colour, also where the reader has colours of their own', async (t) => {
    const campaign = await makeCampaign(world.server, 'Colours');
    const reader = await Reader.open(t, world, { forcedColors: 'active' });
    await reader.page.goto(`${world.server.url}/s/${campaign}/9`);
    const rings = await reader.page.locator('.numbers label').evaluateAll((all) => all.map((label) => getComputedStyle(label).outlineStyle));
    assert.deepEqual(rings.map((style) => style !== 'none'), Array.from({ length: 11 }, (_, i) => i === 9));
    await reader.behaved();
  });

  test('reads from right to left where its language does', async (t) => {
    const campaign = await dress(world.server, world.browser, brands.rightToLeft);
    const reader = await Reader.open(t, world, { locale: 'ar', viewport: { width: 800, height: 600 } });
    await reader.page.goto(`${world.server.url}/s/${campaign}/9`);
    const at = await reader.page.locator('.numbers label').evaluateAll((all) => all.map((label) => label.getBoundingClientRect().left));
    assert.deepEqual(at, at.toSorted((a, b) => b - a), 'the scale runs from the right');
    assert.deepEqual(await reader.page.locator('html').evaluate(({ lang, dir }) => [lang, dir]), ['ar', 'rtl']);
    await reader.behaved();
  });
});
