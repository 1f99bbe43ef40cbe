// A replay of what scanners of mails do: they open every link, before a person does and again when one does; some run scripts, press
// buttons by them and send forms as they are. It counts nothing and undoes nothing, and the person behind them is counted once.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Inbox } from './lib/inbox.mjs';
import { chrome, desk, program, tricks, untouched } from './lib/scanner.mjs';
import { onEachDatabase } from './lib/server.mjs';
import { counted, formOf, launch, listen, Reader, snippet, thanked } from './lib/survey.mjs';
import { makeCampaign } from './lib/tenant.mjs';

onEachDatabase('Scanners of mails', {}, (world) => {
  before(async () => {
    world.browser = await launch();
  });
  after(() => world.browser?.close());

  // ask makes a campaign, and the mail that asks somebody in it.
  async function ask(t, name, address) {
    const campaign = await makeCampaign(world.server, name);
    const bar = await snippet(world.server, campaign);
    const html = bar.html.replaceAll(bar.mergeTag, encodeURIComponent(address));
    const links = [...html.matchAll(/href="([^"]+)"/g)].map(([, url]) => url.replaceAll('&amp;', '&'));
    assert.equal(links.length, 12);
    assert.equal(links.filter((url) => url.includes('/all?')).length, 1);
    return { campaign, html, links, events: listen(t, world.server, campaign) };
  }

  // scan opens all links as a gateway does: a look whether each is there, then each.
  async function scan(links, options) {
    for (const method of ['HEAD', 'GET']) {
      for (const url of links) {
        const { status, text: body } = await program(url, { ...options, method });
        assert.equal(status, 200, `${method} ${url}`);
        assert.equal(body === '', method === 'HEAD');
      }
    }
  }

  // detonate opens a link in a browser that does everything but what needs a person, looks at the page for so many seconds, sends
  // whatever is there, and what comes of it again.
  async function detonate(t, url, trick, { seconds = 0 } = {}) {
    const scanner = await Reader.open(t, world, desk);
    await untouched(scanner.page, url, trick, seconds, async (page) => {
      assert.equal(await page.locator('form.again').count(), 0, 'what nobody touched was taken');
      assert.equal(await page.locator('.notice').count(), 1);
      assert.equal(await scanner.chosen(), null);
    });
    await scanner.behaved();
    await scanner.context.close();
  }

  // nothing fails where anything was counted, or anybody become known.
  async function nothing({ campaign, events }) {
    assert.deepEqual(await counted(world.server, campaign), []);
    assert.deepEqual(events.items, []);
    const { contacts } = await world.server.ask('{ contacts { totalCount } }');
    assert.equal(contacts.totalCount, world.known ?? 0, 'a link makes nobody known');
  }

  // person clicks the number in the mail, sends the page, and is counted once.
  async function person(t, { campaign, html, events }, score, options) {
    const reader = await Reader.open(t, world, options);
    await reader.read(html);
    await reader.follow(score);
    await reader.send();
    await thanked(reader.page);
    await reader.behaved();
    const all = await counted(world.server, campaign);
    assert.deepEqual(all.map((response) => response.score), [score]);
    assert.deepEqual((await events.until(1)).map(({ kind }) => kind), ['RECORDED']);
    world.known = (world.known ?? 0) + 1;
    return all[0];
  }

  // unchanged fails where anything happened since the person answered.
  async function unchanged({ campaign, events }, before) {
    assert.deepEqual(await counted(world.server, campaign), [before]);
    assert.equal(events.items.length, 1);
  }

  test('count nothing by opening all links, and undo nothing by opening them again', async (t) => {
    const mail = await ask(t, 'Links', 'ada@example.com');
    await scan(mail.links);
    await scan(mail.links, { headers: { 'user-agent': chrome } });
    for (const purpose of ['prefetch', 'prefetch;prerender']) {
      for (const url of mail.links) {
        const { status } = await program(url, { headers: { 'user-agent': chrome, 'sec-purpose': purpose }, from: '127.0.0.10' });
        assert.equal(status, 200);
      }
    }
    await nothing(mail);
    const answer = await person(t, mail, 9);
    await scan(mail.links, { headers: { 'user-agent': 'Mozilla/5.0 (compatible; URL protection)' }, from: '127.0.0.11' });
    await detonate(t, mail.links[0], tricks['button.click()']);
    await detonate(t, mail.links[3], tricks['form.submit()']);
    await unchanged(mail, answer);
  });

  test('count nothing where the browser loads ahead', async (t) => {
    const mail = await ask(t, 'Ahead', 'ahead@example.com');
    const reader = await Reader.open(t, world, { isMobile: false });
    const loaded = new Inbox();
    await reader.context.route('**/s/**', async (route) => {
      loaded.push(await route.request().allHeaders());
      await route.continue();
    });
    const ahead = mail.links.map((url) => `<link rel="prefetch" href="${url.replaceAll('&', '&amp;')}">`).join('');
    await reader.read(mail.html + ahead);
    const sent = await loaded.until(mail.links.length);
    assert.ok(sent.every((headers) => headers['sec-purpose']?.startsWith('prefetch')), JSON.stringify(sent[0]));
    await nothing(mail);
    await person(t, mail, 10);
  });

  for (const seconds of [0, 5.5]) {
    test(`count nothing by scripts that send what nobody touched, ${seconds} s later`, async (t) => {
      const mail = await ask(t, `Scripts ${seconds}`, `scripts-${seconds}@example.com`);
      await Promise.all([
        ...Object.values(tricks).map((trick) => detonate(t, mail.links[9], trick, { seconds })),
        detonate(t, mail.links.find((url) => url.includes('/all?')), tricks['button.click()'], { seconds }),
      ]);
      await nothing(mail);
      const answer = await person(t, mail, 9);
      await Promise.all(Object.values(tricks).map((trick) => detonate(t, mail.links[0], trick, { seconds })));
      await unchanged(mail, answer);
    });
  }

  test('count nothing by sending the form without a browser', async (t) => {
    const mail = await ask(t, 'Forms', 'forms@example.com');
    for (const url of mail.links) {
      let { text: page } = await program(url);
      for (let i = 0; i < 3; i++) {
        const { action, fields } = formOf(page, url);
        const sent = await program(action, {
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: fields.toString(),
          from: `127.0.1.${10 + i}`,
        });
        assert.ok(sent.status === 200 || sent.status === 422, `${sent.status} for ${url}`);
        page = sent.text;
      }
    }
    await nothing(mail);
    await person(t, mail, 0);
  });

  test('make no sign of a person, and persons do', async (t) => {
    const mail = await ask(t, 'Signs', 'signs@example.com');
    const reader = await Reader.open(t, world);
    const { page } = reader;
    const sign = () => page.locator('input[name=sign]').inputValue();
    await reader.read(mail.html);
    await reader.follow(8);
    await reader.ready();
    await page.evaluate((code) => {
      const form = document.querySelector('form');
      form.addEventListener('submit', (event) => event.preventDefault(), { once: true });
      new Function('form', `(${code})(form)`)(form);
    }, tricks['pointer, keys and focus by script'].toString()).catch(() => {});
    assert.equal(await sign(), '', 'events that a script makes');
    for (const act of [() => page.keyboard.press('Shift'), () => page.mouse.click(2, 2), () => page.touchscreen.tap(2, 2)]) {
      await page.reload();
      await reader.ready();
      assert.equal(await sign(), '');
      await act();
      assert.match(await sign(), /^\d+\.[0-9a-f]{8}$/);
    }
    await page.locator('form').evaluate((form) => form.submit());
    await thanked(page);
    assert.equal((await counted(world.server, mail.campaign)).length, 1, 'the server knows the sign');
    world.known = (world.known ?? 0) + 1;
  });

  test('are told from persons by how long it takes to look', async (t) => {
    const mail = await ask(t, 'Hurry', 'hurry@example.com');
    const reader = await Reader.open(t, world);
    const { page } = reader;
    await page.clock.install();
    await reader.read(mail.html);
    await page.clock.pauseAt(Date.now() + 60_000);
    await reader.follow(9);
    await page.locator('button').click();
    await page.locator('.notice').waitFor();
    await nothing(mail);
    // Whoever was that fast says it once more.
    await reader.choose(9);
    await page.locator('button').click();
    await thanked(page);
    assert.equal((await counted(world.server, mail.campaign)).length, 1);
    world.known = (world.known ?? 0) + 1;
  });
});
