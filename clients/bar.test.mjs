// The bar as mail clients show it: on small screens, and with what they do not know taken away.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { caniemail } from 'caniemail';
import { brands, dress } from './lib/brands.mjs';
import { databases, onEachDatabase } from './lib/server.mjs';
import { launch, Reader, snippet } from './lib/survey.mjs';
import { makeCampaign } from './lib/tenant.mjs';

const providers = ['ACTIVECAMPAIGN', 'BRAZE', 'CUSTOMER_IO', 'GENERIC', 'HUBSPOT', 'ITERABLE', 'KLAVIYO', 'MAILCHIMP', 'SENDGRID'];

// exceptions are what some clients do not know, and why the bar is none the worse for it.
const exceptions = {
  'aria-hidden attribute': 'the hidden link has nothing in it that could be read out, and the tabulator passes it over',
  'border-spacing': 'cellspacing says the same',
  'display:none': 'the hidden link is empty and has no size',
  'height attribute': 'the padding of the links makes the height',
  'height property': 'what is there for the ear alone is one pixel high by its letters, too',
  'lang attribute': 'voices then guess the language, as in the rest of the mail',
  overflow: 'what is there for the ear alone has letters of one pixel in the colour of the ground',
  'role attribute': 'voices then speak of a table',
  'text-decoration': 'the numbers are underlined',
  'white-space': 'what is there for the ear alone breaks into lines of one pixel',
  'width attribute': 'the cells are as wide as their links at the least',
};

// stripped is the bar as clients show it that take away what they do not know.
const stripped = (html) =>
  html
    .replace(/\s(?:role|lang|aria-hidden)="[^"]*"/g, '')
    .replace(/(?<=[";])(?:border-spacing|display:none|mso-hide|overflow|white-space|text-decoration|height)[^;"]*;?/g, '');

onEachDatabase('The bar in mail clients', { among: { SQLite: databases.SQLite } }, (world) => {
  before(async () => {
    world.browser = await launch();
  });
  after(() => world.browser?.close());

  // shown is what is seen of a bar: the cells of its numbers, and their links, with the contrast of each.
  const shown = (page) =>
    page.evaluate(() => {
      const light = (colour) => {
        const parts = colour.match(/\d+/g).slice(0, 3).map((part) => part / 255);
        const [r, g, b] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const numbers = [...document.querySelectorAll('td')].filter((cell) => /^\d/.test(cell.textContent) && !cell.hasAttribute('colspan'));
      return {
        wide: document.documentElement.scrollWidth,
        cells: numbers.map((cell) => {
          const link = cell.querySelector('a');
          const [box, target] = [cell.getBoundingClientRect(), link.getBoundingClientRect()];
          const [ink, ground] = [light(getComputedStyle(link).color), light(getComputedStyle(cell).backgroundColor)];
          const middle = document.elementFromPoint(target.x + target.width / 2, target.y + target.height / 2);
          return {
            number: parseInt(cell.textContent, 10), left: box.left, width: box.width, height: box.height,
            target: [target.width, target.height], open: link.contains(middle),
            contrast: (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05),
          };
        }),
      };
    });

  // All providers' bars are the same but for the links.
  const looks = Object.entries(brands).flatMap(([name, look]) => (name === 'plain' ? providers : ['MAILCHIMP']).map((provider) => ({ name, look, provider })));

  for (const { name, look, provider } of looks) {
    test(`shows all eleven numbers in the look of ${name} by ${provider}, also where clients take away what they do not know`, async (t) => {
      const campaign = await dress(world.server, world.browser, look);
      const { locale = 'en' } = look;
      const { html } = await snippet(world.server, campaign, { provider, locale });
      assert.doesNotMatch(html, /<style|<script|<img|<!--|\sid=|\sclass=|<html|<head/i, 'there is only what all editors leave as it is');
      const reader = await Reader.open(t, world, { locale, isMobile: false, deviceScaleFactor: 1 });
      for (const [how, text] of Object.entries({ whole: html, stripped: stripped(html) })) {
        for (const width of [600, 320]) {
          await reader.page.setViewportSize({ width, height: 600 });
          await reader.read(text);
          const { wide, cells } = await shown(reader.page);
          const what = `${width} px, ${how}: ${JSON.stringify(cells)}`;
          assert.ok(wide <= width, what);
          assert.deepEqual(cells.map(({ number }) => number), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], what);
          const widths = cells.map((cell) => cell.width);
          assert.ok(Math.max(...widths) - Math.min(...widths) <= 1, `not all are as wide: ${what}`);
          const order = cells.map(({ left }) => (locale === 'ar' ? -left : left));
          assert.deepEqual(order, order.toSorted((a, b) => a - b), what);
          for (const cell of cells) {
            assert.ok(cell.target.every((side) => side >= 24) && cell.height >= 44, what);
            assert.ok(cell.contrast >= 4.5 && cell.open, what);
          }
        }
      }
      await reader.behaved();
    });
  }

  test('uses what mail clients know', async () => {
    const campaign = await makeCampaign(world.server, 'Clients');
    for (const provider of providers) {
      const { html } = await snippet(world.server, campaign, { provider });
      const found = new Map();
      for (const [client, issues] of caniemail({ clients: ['*'], html }).issues.errors) {
        for (const { title } of issues) found.set(title, [...(found.get(title) ?? []), client]);
      }
      const unknown = [...found].filter(([title]) => !(title in exceptions));
      assert.deepEqual(unknown, [], 'what is not known is missed');
      assert.deepEqual(Object.keys(exceptions).filter((title) => !found.has(title)), [], 'these are no exceptions any more');
    }
  });

  test('keeps its words where styles are gone', async (t) => {
    const campaign = await makeCampaign(world.server, 'Words');
    const reader = await Reader.open(t, world);
    const { html } = await snippet(world.server, campaign);
    await reader.read(html.replace(/\s(?:style|bgcolor|role|aria-hidden)="[^"]*"/g, ''));
    const names = await reader.page.locator('a:not([href*="/all?"])').evaluateAll((all) => all.map((a) => a.textContent.replace(/\s+/g, ' ')));
    assert.deepEqual(names, ['0 – Not at all likely', '1', '2', '3', '4', '5', '6', '7', '8', '9', '10 – Extremely likely']);
    assert.equal(await reader.page.locator('a[href*="/all?"]').textContent(), '\u200b');
  });
});
