// The bar as each mail provider sends it: its merge tags filled in as it fills them, in a browser that shows it as a mail client does.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { onEachDatabase } from './lib/server.mjs';
import { counted, formOf, launch, Reader, snippet, thanked } from './lib/survey.mjs';
import { makeCampaign } from './lib/tenant.mjs';

// What providers do to a value before it stands in the mail.
const asItIs = (text) => text;
const encoded = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
const escaped = (text) => text.replace(/[&<>"'`=]/g, (c) => `&#x${c.charCodeAt(0).toString(16).toUpperCase()};`);

// providers say what each puts in the place of its tags, and what arrives where it has nothing to put there, or the mail is a test.
const providers = {
  ACTIVECAMPAIGN: { fill: asItIs, unfilled: ['%EMAIL%', ''] },
  BRAZE: { fill: encoded, unfilled: ['{{${email_address} | url_param_escape}}', ''] },
  CUSTOMER_IO: { fill: encoded, unfilled: ['{{customer.email | url_encode}}', ''] },
  GENERIC: { fill: asItIs, unfilled: ['{{email}}', '{{ email }}', '##email##', '[EMAIL]'] },
  HUBSPOT: { fill: encoded, unfilled: ['{{ contact.email|urlencode }}', ''] },
  ITERABLE: { fill: encoded, unfilled: ['{{#urlEncode}}{{email}}{{/urlEncode}}', ''] },
  KLAVIYO: { fill: encoded, unfilled: ['{{ person.email|urlencode }}', 'None'] },
  MAILCHIMP: { fill: encoded, unfilled: ['*|URL:EMAIL|*', '__test_email__', '%5BUNIQID%5D'] },
  SENDGRID: { fill: escaped, unfilled: ['{{email}}', ''], tag: '{{user_id}}' },
};

onEachDatabase('The bar of a mail', {}, (world) => {
  before(async () => {
    world.browser = await launch();
  });
  after(() => world.browser?.close());

  // click clicks 8 in a mail with this bar, and sends the page with a comment.
  async function click(reader, html, comment) {
    const { page } = reader;
    await reader.read(html);
    await reader.follow(8);
    assert.equal(await reader.chosen(), 8);
    await page.locator('textarea').fill(comment);
    await page.locator('button').click();
    await thanked(page);
  }

  // send does the same with the link that the browser has of 8, and without the page.
  async function send(reader, html, comment) {
    reader.draft ??= await reader.context.newPage(); // not the page, whose policy would hold for it
    await reader.draft.setContent(html);
    const url = await reader.number(8, reader.draft).evaluate((link) => link.href);
    const page = await fetch(url);
    const { action, fields } = formOf(await page.text(), url);
    fields.set('comment', comment);
    const answer = await fetch(action, { method: 'POST', body: fields, redirect: 'manual' });
    assert.equal(answer.status, 303, url);
  }

  const anonymous = { identity: 'ANONYMOUS', contact: null };

  for (const [provider, { fill, unfilled, tag }] of Object.entries(providers)) {
    test(`leads the right person, or nobody, to the page: ${provider}`, async (t) => {
      const { server } = world;
      const campaign = await makeCampaign(server, provider);
      const reader = await Reader.open(t, world);
      const name = provider.toLowerCase().replace('_', '.');
      const email = `anna+${name}.o'neil@example.com`;
      const externalId = `CRM-${name}+ü/7`;
      const want = {};
      for (const [recipient, value, contact] of [
        ['EMAIL', email, { email, externalId: null }],
        ['EXTERNAL_ID', externalId, { email: null, externalId }],
      ]) {
        const bar = await snippet(server, campaign, { provider, recipient, mergeTag: recipient === 'EXTERNAL_ID' ? tag : undefined });
        assert.equal(bar.html.split(bar.mergeTag).length, 13, `twelve links have ${bar.mergeTag}`);
        assert.ok(bar.links.every((url) => url.includes(bar.mergeTag)));
        assert.ok(Buffer.byteLength(bar.html) < 20 * 1024);
        await click(reader, bar.html.replaceAll(bar.mergeTag, () => fill(value)), recipient);
        want[recipient] = { identity: 'UNVERIFIED', contact };
        // A mail that nothing was filled in for, and one that a test was sent of.
        for (const rest of recipient === 'EMAIL' ? unfilled : [bar.mergeTag, '']) {
          const comment = `${recipient}: "${rest}"`;
          await send(reader, bar.html.replaceAll(bar.mergeTag, () => rest), comment);
          want[comment] = anonymous;
        }
      }
      const nobodys = await snippet(server, campaign, { provider, recipient: 'NONE' });
      assert.equal(nobodys.mergeTag, null);
      await send(reader, nobodys.html, 'NONE');
      want.NONE = anonymous;
      const got = {};
      for (const { score, channel, identity, contact, comment } of await counted(server, campaign)) {
        assert.equal(score, 8);
        got[comment] = { identity, contact: contact && { email: contact.email, externalId: contact.externalId } };
        if (channel !== 'EMAIL') got[comment].channel = channel;
      }
      assert.deepEqual(got, want);
      await reader.behaved();
    });
  }

  test('records nothing where it is a preview', async (t) => {
    const { server } = world;
    const campaign = await makeCampaign(server, 'Previews');
    const reader = await Reader.open(t, world);
    const { page } = reader;
    await reader.context.route('http://mail.example/', async (route) =>
      route.fulfill({ contentType: 'text/html; charset=utf-8', body: (await snippet(server, campaign)).preview }),
    );
    await page.goto('http://mail.example/');
    await reader.number(10).tap();
    await page.locator('.notice').waitFor();
    await page.locator('textarea').fill('Let us see');
    await reader.send();
    await page.locator('.notice').waitFor();
    assert.deepEqual(await counted(server, campaign), []);
    await reader.behaved();
  });
});
