// Unsubscribing, from the mail on: by the button of a mail program, which its provider sends in forms of its own (RFC 8058), by the page, and
// not by what scanners do to links.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { judge } from './lib/axe.mjs';
import { chrome, desk, program, tricks, untouched } from './lib/scanner.mjs';
import { onEachDatabase } from './lib/server.mjs';
import { MailServer } from './lib/smtp.mjs';
import { formOf, launch, narrow, Reader } from './lib/survey.mjs';
import { makeCampaign } from './lib/tenant.mjs';

// parts is the one field of one click as multipart/form-data.
const parts = '--a7c\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--a7c--\r\n';

// clicks are how mailbox providers send that somebody has pressed their button.
const clicks = {
  'no body and no type': {},
  'a length of none': { headers: { 'content-length': '0' } },
  'a form': { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'List-Unsubscribe=One-Click' },
  'a form with a charset': { headers: { 'content-type': 'application/x-www-form-urlencoded; charset=UTF-8' }, body: 'List-Unsubscribe=One-Click' },
  'a form in parts': { headers: { 'content-type': 'multipart/form-data; boundary=a7c' }, body: parts },
  'a form in chunks': { headers: { 'content-type': 'application/x-www-form-urlencoded', 'transfer-encoding': 'chunked' }, body: 'List-Unsubscribe=One-Click' },
  'a body of no type': { body: 'List-Unsubscribe=One-Click' },
  'a browser of another site': {
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: 'https://mail.example', 'sec-fetch-site': 'cross-site', 'user-agent': chrome },
    body: 'List-Unsubscribe=One-Click',
  },
};

const done = 'You are unsubscribed';

onEachDatabase('Unsubscribing', {
  async start(world) {
    world.mails = await MailServer.start();
    return { MAIL_URL: world.mails.url };
  },
}, (world) => {
  before(async () => {
    world.browser = await launch();
    world.campaigns = [await makeCampaign(world.server, 'One'), await makeCampaign(world.server, 'Another')];
  });
  after(async () => {
    await world.browser?.close();
    await world.mails?.stop();
  });

  // invite asks people by mail, and gives their invitations.
  async function invite(campaign, addresses, more) {
    const { inviteContacts } = await world.server.ask(
      `mutation ($input: InviteContactsInput!) {
        inviteContacts(input: $input) { invitations { id status skippedBecause contact { id } } userErrors { field message } }
      }`,
      { input: { campaign, invitees: addresses.map((email) => ({ contact: { email } })), ...more } },
    );
    return inviteContacts.invitations;
  }

  // asked asks somebody by mail, and has another mail planned for them. Its url is where their mail says that one can unsubscribe.
  async function asked(name) {
    const address = `${name.replace(/\W+/g, '-')}@example.com`;
    const [one, another] = world.campaigns;
    const [{ contact }] = await invite(one, [address]);
    const mail = await world.mails.mail(address);
    const [, url] = /^<(http:[^>]+)>$/.exec(mail.headers['list-unsubscribe']);
    assert.equal(mail.headers['list-unsubscribe-post'], 'List-Unsubscribe=One-Click');
    assert.ok(url.startsWith(`${world.server.url}/u/`), url);
    const at = new Date(Date.now() + 3_600_000).toISOString();
    const [planned] = await invite(another, [address], { at, ignoreQuietPeriod: true });
    assert.equal(planned.status, 'PLANNED');
    return { address, contact: contact.id, planned: planned.id, url, html: mail.html };
  }

  // known is what the API says of somebody's wish.
  async function known({ address, contact }) {
    const { contact: known, suppressions } = await world.server.ask(
      `query ($contact: ID!, $email: EmailAddress!) {
        contact(id: $contact) { suppression { email reason } }
        suppressions(email: $email) { nodes { email reason invitation { contact { id } } } totalCount }
      }`,
      { contact, email: address },
    );
    return { contact: known.suppression, all: suppressions };
  }

  // gone fails where the API does not say, the first time that it is asked, that somebody is unsubscribed, or where any campaign still asks
  // them.
  async function gone(person) {
    const { address, contact } = person;
    const is = { email: address, reason: 'UNSUBSCRIBED' };
    assert.deepEqual(await known(person), { contact: is, all: { nodes: [{ ...is, invitation: { contact: { id: contact } } }], totalCount: 1 } });
    for (const campaign of world.campaigns) {
      const [{ status, skippedBecause }] = await invite(campaign, [address], { ignoreQuietPeriod: true });
      assert.deepEqual([status, skippedBecause], ['SKIPPED', 'UNSUBSCRIBED']);
    }
  }

  // there fails where somebody is not written to.
  async function there(person) {
    assert.deepEqual(await known(person), { contact: null, all: { nodes: [], totalCount: 0 } });
    const { invitation } = await world.server.ask('query ($id: ID!) { invitation(id: $id) { status } }', { id: person.planned });
    assert.equal(invitation.status, 'PLANNED');
  }

  for (const [how, click] of Object.entries(clicks)) {
    test(`by one click, sent as ${how}`, async () => {
      const person = await asked(`click ${how}`);
      await there(person);
      const began = performance.now();
      const first = await program(person.url, { method: 'POST', ...click });
      const { contact } = await known(person);
      const took = performance.now() - began;
      assert.deepEqual([first.status, first.headers.location, first.headers['set-cookie']], [200, undefined, undefined]);
      assert.ok(first.text.includes(`<h1>${done}</h1>`), first.text);
      assert.equal(contact?.reason, 'UNSUBSCRIBED');
      assert.ok(took < 1000, `it takes ${took} ms`);
      await gone(person);
      const second = await program(person.url, { method: 'POST', ...click });
      assert.equal(second.text, first.text, 'it says the same again');
      await gone(person);
    });
  }

  test('holds for mails that are planned already', async () => {
    const leaves = 'leaves@example.com', stays = 'stays@example.com';
    const [one, another] = world.campaigns;
    await invite(one, [leaves, stays]);
    const { headers } = await world.mails.mail(leaves);
    await world.mails.mail(stays);
    const at = (seconds) => ({ at: new Date(Date.now() + seconds * 1000).toISOString(), ignoreQuietPeriod: true });
    const [planned] = await invite(another, [leaves], at(3));
    const [later] = await invite(another, [stays], at(3.1));
    assert.deepEqual([planned.status, later.status], ['PLANNED', 'PLANNED']);
    const before = world.mails.inbox.items.length;
    await program(headers['list-unsubscribe'].slice(1, -1), { method: 'POST' });
    // The mail of who stays is due later, and comes.
    const mails = await world.mails.inbox.until((all) => all.slice(before).some(({ to }) => to === stays));
    for (let is = planned; is.status !== 'SKIPPED'; ) {
      is = (await world.server.ask('query ($id: ID!) { invitation(id: $id) { status skippedBecause sentAt } }', { id: planned.id })).invitation;
      assert.ok(['PLANNED', 'SKIPPED'].includes(is.status), is.status);
      if (is.status === 'SKIPPED') assert.deepEqual([is.skippedBecause, is.sentAt], ['UNSUBSCRIBED', null]);
    }
    assert.deepEqual(mails.slice(before).map(({ to }) => to), [stays]);
  });

  test('is not done by opening links', async (t) => {
    const person = await asked('links');
    const links = [person.url, ...[...person.html.matchAll(/href="([^"]+)"/g)].map(([, url]) => url.replaceAll('&amp;', '&'))];
    assert.equal(links.filter((url) => url.includes('/u/')).length, 2, 'one in the head, and one to see');
    for (const [i, headers] of [{}, { 'user-agent': chrome }, { 'sec-purpose': 'prefetch;prerender' }].entries()) {
      for (const [j, method] of ['HEAD', 'GET'].entries()) {
        for (const url of links.filter((link) => link.startsWith(world.server.url))) {
          const { status } = await program(url, { method, headers, from: `127.0.3.${10 * i + j + 1}` });
          assert.equal(status, 200, `${method} ${url}`);
        }
      }
    }
    await there(person);
    // A browser that opens the page and looks, and then all that the page leads to.
    const scanner = await Reader.open(t, world, desk);
    const { page } = scanner;
    const open = [person.url, `${person.url}?undo=1`];
    for (const url of open) {
      await page.goto(url);
      await scanner.ready();
      for (const more of await page.locator('a').evaluateAll((all) => all.map(({ href }) => href))) {
        if (more.startsWith(world.server.url) && !open.includes(more)) open.push(more);
      }
    }
    await scanner.behaved();
    await there(person);
    // Nor is it undone so.
    await program(person.url, { method: 'POST' });
    for (const url of open) {
      await program(url);
      await page.goto(url);
      await scanner.ready();
    }
    await gone(person);
  });

  for (const seconds of [0, 5.5]) {
    test(`is not done by scripts that send what nobody touched, ${seconds} s later`, async (t) => {
      const person = await asked(`scripts ${seconds}`);
      const detonate = async (url, trick) => {
        const scanner = await Reader.open(t, world, desk);
        await untouched(scanner.page, url, trick, seconds, async (page) => {
          assert.equal(await page.locator('.notice').count(), 1);
          assert.equal(await page.locator('input[name=sure]').isChecked(), false);
        });
        await scanner.behaved();
        await scanner.context.close();
      };
      await Promise.all(Object.values(tricks).map((trick) => detonate(person.url, trick)));
      await there(person);
      await program(person.url, { method: 'POST' });
      await Promise.all(Object.values(tricks).map((trick) => detonate(`${person.url}?undo=1`, trick)));
      await gone(person);
    });
  }

  test('is not done by sending the form without a browser', async () => {
    const person = await asked('forms');
    const send = async (url) => {
      let { text: page } = await program(url);
      for (let i = 0; i < 3; i++) {
        const { action, fields } = formOf(page, url);
        const headers = { 'content-type': 'application/x-www-form-urlencoded' };
        const sent = await program(action, { method: 'POST', headers, body: fields.toString(), from: `127.0.2.${10 + i}` });
        assert.equal(sent.status, 200);
        assert.ok(sent.text.includes('class="notice"'));
        page = sent.text;
      }
    };
    await send(person.url);
    await there(person);
    await program(person.url, { method: 'POST' });
    await send(`${person.url}?undo=1`);
    await gone(person);
  });

  // picture takes one of the page where pictures are wanted.
  async function picture(page, name) {
    if (!process.env.SCREENSHOTS) return;
    await mkdir(process.env.SCREENSHOTS, { recursive: true });
    await page.screenshot({ path: `${process.env.SCREENSHOTS}/unsubscribe-${name}.png`, fullPage: true });
  }

  // told waits for a page that says something, and which fits the screen.
  async function told(page, heading) {
    await page.getByRole('heading', { name: heading, exact: true }).waitFor();
    const { wide, width } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, width: innerWidth }));
    assert.ok(wide <= width, `${heading}: ${wide} px wide of ${width}`);
  }

  // tabTo presses the tabulator until what has the focus is of this kind. All that has it on the way must show it.
  async function tabTo(page, kind) {
    for (let i = 0; i < 10; i++) {
      await page.keyboard.press('Tab');
      const { is, ring } = await page.evaluate(() => {
        const element = document.activeElement;
        const { outlineStyle, outlineWidth } = getComputedStyle(element);
        return { is: element.type ?? element.tagName, ring: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1 };
      });
      assert.ok(is === 'BODY' || ring, `nobody sees the focus on ${is}`);
      if (is === kind) return;
    }
    assert.fail(`the keys do not lead to ${kind}`);
  }

  const ways = {
    'by touch': (reader) => reader.page.locator('button').tap(),
    'by touch, without script': async ({ page }) => {
      await page.locator('button').tap();
      await page.locator('.notice').waitFor(); // what could be a program's is asked for once more
      await page.locator('label:has([name=sure])').tap();
      await page.locator('button').tap();
    },
    'by keyboard alone': async ({ page }) => {
      await tabTo(page, 'submit');
      await page.keyboard.press('Enter');
    },
    'by keyboard alone, without script': async ({ page }) => {
      await tabTo(page, 'checkbox');
      await page.keyboard.press('Space');
      await tabTo(page, 'submit');
      await page.keyboard.press('Enter');
    },
  };
  for (const [way, press] of Object.entries(ways)) {
    test(`on the page, 320 px wide, ${way}, and back`, async (t) => {
      const person = await asked(way);
      const scripted = !way.includes('without script');
      const reader = await Reader.open(t, world, { ...narrow, javaScriptEnabled: scripted, ...(scripted && { bypassCSP: true }) });
      const { page } = reader;
      await reader.read(person.html);
      const link = page.locator('a[href*="/u/"]');
      assert.equal(await link.textContent(), 'Unsubscribe from these e-mails');
      await link.tap();
      await page.waitForURL(/\/u\//);
      const seen = async (what, heading) => {
        await told(page, heading);
        if (scripted) await judge(page, what);
        if (way === 'by touch') await picture(page, what);
        await reader.ready();
      };
      await seen('ask', 'Unsubscribe from these e-mails');
      await there(person);
      await press(reader);
      await seen('done', done);
      await gone(person);
      await press(reader);
      await seen('undone', 'You are subscribed again');
      await there(person);
      await press(reader);
      await seen('done-again', done);
      await gone(person);
      await reader.behaved();
    });
  }

  test('leaves nothing of anybody in the log', () => {
    assert.ok(!world.server.log.includes('@example.com'), 'addresses are logged');
  });
});
