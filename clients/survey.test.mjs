// The survey's page in a real browser, as people come to it from a mail: on a phone, with and without script, by keyboard alone.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { brands, dress } from './lib/brands.mjs';
import { onEachDatabase } from './lib/server.mjs';
import { counted, launch, link, listen, narrow, phone, Reader, snippet, thanked } from './lib/survey.mjs';
import { makeCampaign } from './lib/tenant.mjs';

// filled is a bar as Mailchimp sends it to somebody.
const filled = async (server, campaign, address) =>
  (await snippet(server, campaign)).html.replaceAll('*|URL:EMAIL|*', encodeURIComponent(address));

// ways are how people use a page: how they follow a link of a mail, and how they send the form with a number and a comment.
const ways = {
  'by touch, with script': {
    follow: (reader, score) => reader.follow(score),
    async send(reader, { comment }) {
      await reader.ready();
      if (comment) await reader.page.locator('textarea').fill(comment);
      await reader.page.locator('button').tap();
    },
  },
  'by touch, without script': {
    options: { javaScriptEnabled: false },
    follow: (reader, score) => reader.follow(score),
    async send(reader, { score, comment }) {
      const { page } = reader;
      if (comment) await page.locator('textarea').fill(comment);
      await page.locator('button').tap();
      if (comment) return;
      // What could be a program's is asked for once more, and nothing that a program would send by itself is chosen.
      await page.locator('.notice').waitFor();
      assert.equal(await page.locator('input[name=score]').count(), 11);
      assert.equal(await reader.chosen(), null);
      await page.locator('button').tap(); // not even then
      await page.locator('.notice').waitFor();
      assert.equal(await reader.chosen(), null);
      await page.locator(`.numbers label:has([value="${score}"])`).tap();
      await page.locator('button').tap();
    },
  },
  'by keyboard alone': {
    async follow(reader, score) {
      await tabTo(reader.page, (at) => at.tag === 'A' && new RegExp(`/${score}\\?`).test(at.href));
      await reader.page.keyboard.press('Enter');
    },
    async send(reader, { score, comment }) {
      const { page } = reader;
      await reader.ready();
      const at = await tabTo(page, ({ type }) => type === 'radio');
      assert.equal(Number(at.value), score, 'the first key leads to the number that is chosen');
      await page.keyboard.press('ArrowRight');
      await page.keyboard.press('ArrowLeft');
      assert.equal(await reader.chosen(), score);
      await tabTo(page, ({ tag }) => tag === 'TEXTAREA');
      if (comment) await page.keyboard.type(comment);
      await tabTo(page, ({ tag }) => tag === 'BUTTON');
      await page.keyboard.press('Enter');
    },
  },
};

// tabTo presses the tabulator until the element that has the focus is the one wanted, and returns it. All that has the focus on the
// way must show it.
async function tabTo(page, wanted) {
  const passed = [];
  for (;;) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(() => {
      const { activeElement: element } = document;
      const { tagName: tag, type, value, href } = element;
      const shown = element.type === 'radio' ? element.parentElement : element;
      const { outlineStyle, outlineWidth } = getComputedStyle(shown);
      return { tag, type, value, href, ring: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1 };
    });
    assert.ok(passed.length < 30, `the keys do not lead there, only to ${JSON.stringify(passed)}`);
    assert.ok(at.tag === 'BODY' || at.ring, `nobody sees the focus on ${JSON.stringify(at)}`);
    if (wanted(at)) return at;
    passed.push(at);
  }
}

onEachDatabase('An answer by a mail', {}, (world) => {
  before(async () => {
    world.browser = await launch();
  });
  after(() => world.browser?.close());

  for (const [way, { options, follow, send }] of Object.entries(ways)) {
    for (const [name, size] of Object.entries({ phone, narrow })) {
      test(`${way}, ${size.viewport.width} px wide, is one response that is changed twice`, async (t) => {
        const { server } = world;
        const campaign = await makeCampaign(server, `${way} ${name}`);
        const events = listen(t, server, campaign);
        const reader = await Reader.open(t, world, { ...size, ...options });
        const mail = await filled(server, campaign, 'ada+news@example.com');
        const comment = 'Quick and friendly.';
        const steps = [
          { form: { score: 9 }, kind: 'RECORDED', before: null, is: { score: 9, comment: null } },
          { form: { score: 9, comment }, kind: 'AMENDED', before: null, is: { score: 9, comment } },
          { form: { score: 3 }, kind: 'AMENDED', before: 9, is: { score: 3, comment } },
        ];
        for (const [i, step] of steps.entries()) {
          await reader.read(mail);
          await follow(reader, step.form.score);
          await reader.page.waitForURL(new RegExp(`/${step.form.score}\\?`));
          assert.equal(await reader.chosen(), step.form.score);
          assert.equal((await counted(server, campaign)).length, i === 0 ? 0 : 1, 'a link counts nothing');
          await send(reader, step.form);
          await thanked(reader.page);
          assert.equal(await reader.chosen(), step.form.score);
          const all = await events.until(i + 1);
          const { kind, previousScore, response } = all[i];
          assert.deepEqual({ kind, before: previousScore, is: response }, { kind: step.kind, before: step.before, is: step.is });
        }
        const responses = await counted(server, campaign);
        assert.equal(responses.length, 1);
        const [{ score, identity, channel, contact }] = responses;
        assert.deepEqual(
          { score, identity, channel, contact },
          { score: 3, identity: 'UNVERIFIED', channel: 'EMAIL', contact: { email: 'ada+news@example.com', externalId: null, name: null } },
        );
        assert.equal(new Set(events.items.map(({ responseId }) => responseId)).size, 1);
        assert.equal(events.items.length, 3);
        await reader.behaved();
      });
    }
  }

  // answer opens the campaign's public page, and answers it.
  async function answer(t, campaign, score, options) {
    const reader = await Reader.open(t, world, options);
    await reader.page.goto(await link(world.server, campaign));
    await reader.choose(score);
    await reader.page.locator('button').tap();
    await thanked(reader.page);
    return reader;
  }

  // settled is the campaign's one response.
  async function settled(campaign) {
    const all = await counted(world.server, campaign);
    assert.equal(all.length, 1, 'there is one response');
    return all[0];
  }

  // change sends the thank-you page with what was changed on it, and waits for the next one.
  async function change(reader, page = reader.page) {
    await reader.ready(page);
    await Promise.all([page.waitForNavigation(), page.locator('button').tap()]);
    await thanked(page);
  }

  for (const [script, javaScriptEnabled] of Object.entries({ with: true, without: false })) {
    test(`of nobody is changed on the thank-you page, ${script} script`, async (t) => {
      const campaign = await makeCampaign(world.server, `Receipts ${script} script`);
      const reader = await answer(t, campaign, 9, { javaScriptEnabled });
      const { page } = reader;
      const { id } = await settled(campaign);
      assert.equal(await page.evaluate(() => document.activeElement.tagName), 'H1', 'the thanks have the focus');
      const comment = '\n  Too slow.\n\n<b>Really</b> & truly 😀';
      await reader.choose(4);
      await page.locator('textarea').fill(comment);
      await change(reader);
      const first = await settled(campaign);
      assert.deepEqual([first.id, first.score, first.comment, first.identity], [id, 4, comment, 'ANONYMOUS']);
      assert.equal(await page.locator('textarea').inputValue(), comment, 'the page shows what was written');
      assert.equal(await reader.chosen(), 4);
      await page.locator('textarea').fill('');
      await reader.choose(5);
      await change(reader);
      const last = await settled(campaign);
      assert.deepEqual([last.id, last.score, last.comment], [id, 5, null], 'a comment that is emptied there is gone');
      await page.reload();
      assert.equal(await reader.chosen(), 5);
      await settled(campaign);
      await reader.behaved();
    });
  }

  test('is one response however the page is sent again', async (t) => {
    const { server } = world;
    const campaign = await makeCampaign(server, 'Again');
    const reader = await answer(t, campaign, 9);
    const { page } = reader;
    const first = await settled(campaign);

    for (const score of [7, 6]) {
      await page.goBack();
      await page.locator('form:not(.again)').waitFor();
      await reader.choose(score);
      await page.locator('button').tap();
      await thanked(page);
      const now = await settled(campaign);
      assert.deepEqual([now.id, now.score], [first.id, score], 'after the back button the page is the same answer');
    }

    // Two tabs of the receipt.
    const second = await reader.context.newPage();
    await second.goto(page.url());
    for (const [tab, score] of [[second, 2], [page, 10]]) {
      await reader.choose(score, tab);
      await change(reader, tab);
      const now = await settled(campaign);
      assert.deepEqual([now.id, now.score], [first.id, score]);
    }

    // Whoever opens the link anew is somebody else, on the same device too.
    await page.goto(await link(server, campaign));
    await reader.choose(1);
    await page.locator('button').tap();
    await thanked(page);
    assert.equal((await counted(server, campaign)).length, 2);
    await reader.behaved();
  });

  test('is one response where the button is pressed twice', async (t) => {
    const { server } = world;
    const campaign = await makeCampaign(server, 'Twice');
    const mail = await filled(server, campaign, 'twice@example.com');
    const opened = {
      ANONYMOUS: async (reader) => reader.page.goto(await link(server, campaign)),
      UNVERIFIED: async (reader) => {
        await reader.read(mail);
        await reader.follow(8);
      },
    };
    for (const open of Object.values(opened)) {
      const reader = await Reader.open(t, world);
      await open(reader);
      await reader.choose(8);
      await reader.ready();
      await reader.page.locator('button').dblclick({ noWaitAfter: true });
      await thanked(reader.page);
      await reader.behaved();
    }
    const all = await counted(server, campaign);
    assert.deepEqual(all.map(({ identity }) => identity).sort(), Object.keys(opened));
  });

  test('is one response by two tabs of one mail', async (t) => {
    const { server } = world;
    const campaign = await makeCampaign(server, 'Tabs');
    const reader = await Reader.open(t, world);
    const tabs = [reader.page, await reader.context.newPage()];
    const mail = await filled(server, campaign, 'tabs@example.com');
    for (const [i, tab] of tabs.entries()) {
      await reader.read(mail, tab);
      await reader.follow(5 + i, tab);
      await tab.locator('textarea').fill('From one of two');
    }
    await Promise.all(tabs.map((tab) => tab.locator('button').tap().then(() => thanked(tab))));
    const now = await settled(campaign);
    assert.ok([5, 6].includes(now.score), `${now.score} is none of those that were sent`);
    await reader.behaved();
  });

  test('does not wait for the script', async (t) => {
    const campaign = await makeCampaign(world.server, 'Slow');
    const reader = await Reader.open(t, world);
    const { page } = reader;
    const held = [];
    await reader.context.route('**/page.js', (route) => held.push(route)); // on its way for ever
    await page.goto(`${world.server.url}/s/${campaign}/6`, { waitUntil: 'commit' });
    await page.locator('button').tap({ noWaitAfter: true });
    await page.locator('.notice').waitFor();
    await reader.choose(6);
    await page.locator('textarea').fill('No patience');
    await page.locator('button').tap({ noWaitAfter: true });
    await page.locator('form.again').waitFor();
    assert.ok(held.length >= 3, 'each page asks for the script');
    const { score, comment } = await settled(campaign);
    assert.deepEqual([score, comment], [6, 'No patience']);
    assert.deepEqual(reader.mistakes, []);
  });

  test('asks behind a number for what fits it, and leads on', async (t) => {
    const { server } = world;
    const campaign = await dress(server, world.browser, brands.colourful);
    const reader = await Reader.open(t, world);
    const { page } = reader;
    await page.goto(`${server.url}/s/${campaign}/9`);
    const { promoters, passives, detractors } = brands.colourful.wording.followUpQuestions;
    const asked = page.locator('label[for=comment] span');
    assert.equal(await asked.textContent(), promoters);
    for (const [score, question] of [[8, passives], [0, detractors], [10, promoters], [6, detractors], [7, passives], [9, promoters]]) {
      await page.locator(`.numbers label:has([value="${score}"])`).tap();
      assert.equal(await asked.textContent(), question, `behind ${score}`);
    }
    await reader.ready();
    await page.locator('button').tap();
    await thanked(page);
    const steps = await page.locator('a.step').evaluateAll((all) => all.map((a) => [a.textContent, a.href]));
    assert.deepEqual(steps, brands.colourful.nextSteps.slice(0, 2).map(({ label, url }) => [label, url]));
    await reader.behaved();
  });
});
