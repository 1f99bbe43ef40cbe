// The mail that an invitation is, as mail clients show it: on narrow screens and wide ones, in the dark, without images, and with what they
// do not know taken away. The mails are those that internal/outreach/letter has for its own tests. With SCREENSHOTS it takes pictures.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { caniemail } from 'caniemail';
import { violations } from './lib/axe.mjs';
import { draw } from './lib/brands.mjs';
import { launch } from './lib/survey.mjs';

const folder = new URL('../internal/outreach/letter/testdata/', import.meta.url);
const mails = Object.fromEntries(
  readdirSync(folder).filter((name) => name.endsWith('.html')).map((name) => [name.replace('.html', ''), readFileSync(new URL(name, folder), 'utf8')]),
);

// exceptions are what some clients do not know, and why the mail is none the worse for it.
const exceptions = {
  '<body> element': 'they make a div of it, and the table in it says the same',
  '<style> element': 'it has the dark colours alone; all else is inline',
  '@media': 'they keep the light colours, or make dark ones of their own',
  'aria-hidden attribute': 'the hidden link has nothing in it that could be read out, and the tabulator passes it over',
  'border-radius': 'the numbers have corners',
  'display:none': 'the hidden link is empty and has no size',
  'height attribute': 'the padding of the links makes the height',
  'height property': 'what is there for the ear alone is one pixel high by its letters, too, and the logo has the attribute',
  'lang attribute': 'voices then guess the language',
  overflow: 'what is there for the ear alone has letters of one pixel in the colour of the ground',
  'role attribute': 'voices then speak of tables',
  'text-decoration': 'the numbers are underlined',
  'white-space': 'what is there for the ear alone breaks into lines of one pixel',
  'width attribute': 'the cells are as wide as their links at the least',
  'word-break': 'a word that is longer than a line makes the mail as wide',
};

// outlook is a mail as Outlook on Windows lays it out: with what is said to it alone, and without the boxes and widths that it does not know.
const outlook = (html) =>
  html.replace(/<!--\[if mso\]>(.*?)<!\[endif\]-->/gs, '$1').replace(/<div[^>]*>/g, '<div>').replace(/(?<=[";])(?:max-width|min-width|display:inline-block|border-radius)[^;"]*;?/g, '');

// The ways that clients show a mail.
const ways = {
  whole: (html) => html,
  // As Gmail for addresses of others.
  'without its style sheet': (html) => html.replace(/<style>.*<\/style>/s, ''),
  // As what all clients leave that take something away.
  stripped: (html) =>
    html
      .replace(/<style>.*<\/style>/s, '')
      .replace(/\s(?:role|lang|dir|class|aria-hidden|height)="[^"]*"/g, '')
      .replace(/(?<=[";])(?:display:none|mso-hide|overflow|white-space|text-decoration|height|border-radius|word-break|min-width)[^;"]*;?/g, ''),
};

const rightToLeft = (html) => html.includes('dir="rtl" class="around"');

// mark is the logo of the tests.
function mark(context) {
  context.clearRect(0, 0, 480, 120);
  context.fillStyle = '#2457d6';
  context.beginPath();
  context.roundRect(4, 12, 96, 96, 24);
  context.fill();
  context.fillStyle = '#ffffff';
  context.font = 'bold 60px sans-serif';
  context.fillText('S', 32, 82);
  context.font = 'bold 54px sans-serif';
  context.fillStyle = '#1c2128';
  context.fillText('Sam & Sons', 120, 80);
}

describe('An invitation in mail clients', () => {
  let browser, logo;
  before(async () => {
    browser = await launch();
    const page = await browser.newPage();
    logo = Buffer.from(await draw(page, { width: 480, height: 120 }, 'image/png', mark), 'base64');
    await page.close();
  });
  after(() => browser?.close());

  // open makes a page in which mails are read, and notes what they fetch.
  async function open(t, { images = true, ...options } = {}) {
    const context = await browser.newContext({ locale: 'en', deviceScaleFactor: 1, ...options });
    t.after(() => context.close());
    const page = await context.newPage();
    const fetched = [];
    let html;
    await context.route('**/*', (route) => {
      const url = route.request().url();
      if (url === 'http://mail.example/') return route.fulfill({ contentType: 'text/html; charset=utf-8', body: html });
      if (url !== 'http://mail.example/favicon.ico') fetched.push(url);
      return images && url.endsWith('.png') ? route.fulfill({ contentType: 'image/png', body: logo }) : route.abort();
    });
    const read = async (text, width) => {
      html = text;
      await page.setViewportSize({ width, height: 900 });
      await page.goto('http://mail.example/');
    };
    return { page, read, fetched };
  }

  // shown is what is seen of a mail.
  const shown = (page) =>
    page.evaluate(() => {
      const light = (colour) => {
        const parts = colour.match(/[\d.]+/g).slice(0, 3).map((part) => part / 255);
        const [r, g, b] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
      const opaque = (colour) => !/, 0\)$|transparent/.test(colour);
      const ground = (element) => {
        for (let e = element; e; e = e.parentElement) {
          const colour = getComputedStyle(e).backgroundColor;
          if (opaque(colour)) return colour;
        }
        return 'rgb(255, 255, 255)';
      };
      const faint = [];
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      for (let node; (node = walker.nextNode()); ) {
        const element = node.parentElement;
        const ear = element.tagName === 'SPAN'; // what is there for the ear alone
        if (ear || !node.data.replace(/[\s\u200b]/g, '') || getComputedStyle(element).fontSize === '0px') continue;
        const found = contrast(getComputedStyle(element).color, ground(element));
        if (found < 4.5) faint.push(`${node.data.trim()}: ${found}`);
      }
      for (const cell of document.querySelectorAll('td')) {
        const { borderTopWidth, borderTopColor } = getComputedStyle(cell);
        if (borderTopWidth === '0px') continue;
        const found = contrast(borderTopColor, ground(cell.parentElement));
        if (found < 3) faint.push(`a border of ${cell.textContent.trim().slice(0, 20)}: ${found}`);
      }
      const boxes = [...document.querySelectorAll('a:not([tabindex])')].map((link) => {
        const { x, y, width, height } = link.getBoundingClientRect();
        const middle = document.elementFromPoint(x + width / 2, y + height / 2);
        return { text: link.textContent.trim(), x, y, width, height, open: y + height > innerHeight || link.contains(middle) };
      });
      return {
        wide: document.documentElement.scrollWidth, faint,
        numbers: boxes.filter(({ text }) => /^\d/.test(text)), others: boxes.filter(({ text }) => !/^\d/.test(text)),
        hidden: [...document.querySelectorAll('a[tabindex="-1"]')].map((link) => [link.getBoundingClientRect().width, link.getBoundingClientRect().height]),
      };
    });

  // inOrder fails where the numbers are not those of the scale, as wide as each other, in these rows and this direction.
  function inOrder({ numbers }, rows, rtl, what) {
    assert.deepEqual(numbers.map(({ text }) => parseInt(text, 10)), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], what);
    // What is there for the ear alone may make the ends a few pixels higher.
    const lines = [];
    for (const number of numbers) {
      const line = lines.find(([{ y }]) => Math.abs(y - number.y) < 20);
      if (line) line.push(number);
      else lines.push([number]);
    }
    assert.deepEqual(lines.map((line) => line.length), rows, what);
    for (const line of lines) {
      const order = line.map(({ x }) => (rtl ? -x : x));
      assert.deepEqual(order, order.toSorted((a, b) => a - b), `${what}: the order`);
    }
    const begin = lines.map(([{ x, width }]) => (rtl ? x + width : x));
    assert.ok(Math.max(...begin) - Math.min(...begin) <= 1, `${what}: the rows begin at ${begin}`);
    const widths = numbers.map(({ width }) => width);
    assert.ok(Math.max(...widths) - Math.min(...widths) <= 2, `${what}: not all are as wide: ${widths}`);
  }

  for (const [name, html] of Object.entries(mails)) {
    test(`is well made: ${name}`, async (t) => {
      for (const colorScheme of ['light', 'dark']) {
        for (const images of colorScheme === 'light' ? [true, false] : [true]) {
          const { page, read, fetched } = await open(t, { colorScheme, images });
          for (const [how, change] of Object.entries(ways)) {
            for (const width of [900, 600, 320]) {
              const what = `${name}, ${how}, ${colorScheme}, ${width} px, ${images ? 'with' : 'without'} images`;
              await read(change(html), width);
              const seen = await shown(page);
              assert.ok(seen.wide <= width, `${what}: ${seen.wide} px wide`);
              assert.deepEqual(seen.faint, [], what);
              inOrder(seen, width === 320 ? [6, 5] : [11], rightToLeft(html), what);
              for (const box of seen.numbers) assert.ok(box.width >= 38 && box.height >= 43.5 && box.open, `${what}: ${JSON.stringify(box)}`);
              for (const box of seen.others) assert.ok(box.width >= 24 && box.height >= 24, `${what}: ${JSON.stringify(box)}`);
              for (const size of seen.hidden) assert.deepEqual(size, [0, 0], what);
              if (how === 'whole' && width === 320) {
                // The program around a mail has the landmarks.
                const found = (await violations(page, what)).filter(({ id }) => id !== 'region' && id !== 'landmark-one-main');
                assert.deepEqual(found.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`), [], what);
              }
            }
          }
          const logos = new Set(html.match(/(?<=<img src=")[^"]+/g));
          assert.deepEqual(new Set(fetched), logos, 'only the logo is fetched');
        }
      }
    });
  }

  test('has its numbers in one row in Outlook on Windows', async (t) => {
    const { page, read } = await open(t);
    for (const [name, html] of Object.entries(mails)) {
      await read(outlook(html), 1000);
      const seen = await shown(page);
      inOrder(seen, [11], rightToLeft(html), name);
      const ends = seen.numbers.flatMap(({ x, width }) => [x, x + width]);
      assert.ok(Math.min(...ends) >= 200 && Math.max(...ends) <= 800, `${name}: the numbers go from ${Math.min(...ends)} to ${Math.max(...ends)}`);
    }
  });

  test('goes from right to left where its language does', async (t) => {
    const { page, read } = await open(t);
    for (const change of [ways.whole, (html) => html.replace(/ dir="[^"]*"/g, '')]) {
      await read(change(mails.rtl), 600);
      const { numbers } = await shown(page);
      assert.ok(numbers[0].x > numbers[10].x);
      const ends = await page.locator('td[width="50%"]').evaluateAll((all) => all.map((cell) => cell.getBoundingClientRect().left));
      assert.ok(ends[0] > ends[1], 'what 0 means stands at the right');
    }
  });

  test('says the name where there are no images', async (t) => {
    const { page, read } = await open(t, { images: false });
    await read(mails.ltr, 600);
    const { width, height } = await page.locator('img').boundingBox();
    assert.ok(width >= 100 && height >= 20, `${width} × ${height}`);
    assert.equal(await page.locator('img').evaluate((img) => img.naturalWidth), 0);
  });

  test('survives clients that make it dark by themselves', async (t) => {
    const { page, read } = await open(t, { deviceScaleFactor: 2, colorScheme: 'dark' });
    const devtools = await page.context().newCDPSession(page);
    await devtools.send('Emulation.setAutoDarkModeOverride', { enabled: true });
    for (const name of ['ltr', 'variant', 'rtl']) {
      await read(ways['without its style sheet'](mails[name]).replace(/<meta name="(?:supported-)?color-schemes?"[^>]*>/g, ''), 600);
      for (const piece of ['h1', 'p', 'td.accent a']) {
        const all = page.locator(piece);
        for (let i = 0; i < (await all.count()); i++) {
          const picture = (await all.nth(i).screenshot()).toString('base64');
          const { contrast, ground } = await page.evaluate(async (data) => {
            const image = new Image();
            image.src = `data:image/png;base64,${data}`;
            await image.decode();
            const context = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height }).getContext('2d');
            context.drawImage(image, 0, 0);
            const { data: pixels } = context.getImageData(0, 0, image.width, image.height);
            const lights = [];
            for (let at = 0; at < pixels.length; at += 4) {
              const [r, g, b] = [0, 1, 2].map((part) => pixels[at + part] / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
              lights.push(0.2126 * r + 0.7152 * g + 0.0722 * b);
            }
            lights.sort((a, b) => a - b);
            return { contrast: (lights.at(-1) + 0.05) / (lights[0] + 0.05), ground: lights[lights.length >> 1] };
          }, picture);
          assert.ok(contrast >= 4.5, `${name}: ${piece} ${i} has a contrast of ${contrast}`);
          if (piece !== 'td.accent a') assert.ok(ground < 0.2, `${name}: ${piece} ${i} is not dark: ${ground}`);
        }
      }
    }
  });

  test('uses what mail clients know', () => {
    const found = new Map();
    for (const html of Object.values(mails)) {
      for (const [client, issues] of caniemail({ clients: ['*'], html }).issues.errors) {
        for (const { title } of issues) found.set(title, [...(found.get(title) ?? []), client]);
      }
    }
    const unknown = [...found].filter(([title]) => !(title in exceptions));
    assert.deepEqual(unknown, [], 'what is not known is missed');
    assert.deepEqual(Object.keys(exceptions).filter((title) => !found.has(title)), [], 'these are no exceptions any more');
  });

  test('keeps its words where styles are gone', async (t) => {
    const { page, read } = await open(t);
    await read(mails.ltr.replace(/<style>.*<\/style>/s, '').replace(/\s(?:style|bgcolor|class|role|aria-hidden)="[^"]*"/g, ''), 320);
    const names = await page.locator('a:not([tabindex])').evaluateAll((all) => all.map((a) => a.textContent.replace(/\s+/g, ' ')));
    assert.deepEqual(names, [
      '0 – Not at all likely', '1', '2', '3', '4', '5', '6', '7', '8', '9', '10 – Extremely likely',
      'Answer on a web page', 'Unsubscribe from these e-mails', 'Privacy policy', 'To the website of Sam & Sons',
    ]);
    assert.equal(await page.locator('a[tabindex]').textContent(), '\u200b');
    assert.equal(await page.locator('h1').textContent(), 'How likely is it that you would recommend us to a friend or colleague?');
  });

  // The pictures in docs/ are the first six.
  const pictures = async (t) => {
    await mkdir(process.env.SCREENSHOTS, { recursive: true });
    const bare = (html) => html.replace(/<style>.*<\/style>/s, '').replace(/\s(?:style|bgcolor|class|width|height|border|cellpadding|cellspacing)="[^"]*"/g, '');
    for (const [picture, name, width, options, change] of [
      ['wide', 'ltr', 680, {}], ['phone', 'ltr', 320, {}], ['dark', 'ltr', 680, { colorScheme: 'dark' }], ['rtl', 'rtl', 680, {}],
      ['stripped', 'ltr', 680, {}, bare], ['without-images', 'ltr', 320, { images: false }],
      ['dark-phone', 'variant', 320, { colorScheme: 'dark' }], ['rtl-phone', 'rtl', 320, {}], ['variant', 'variant', 680, {}], ['reminder', 'reminder', 320, {}], ['brand-dark', 'dark', 680, {}], ['minimal', 'minimal', 680, {}],
      ['mixed', 'mixed', 680, {}], ['thai', 'thai', 320, {}], ['outlook', 'ltr', 900, {}, outlook], ['dark-by-force', 'ltr', 680, { forced: true }],
    ]) {
      const { forced, ...rest } = options;
      const { page, read } = await open(t, { deviceScaleFactor: 2, ...rest });
      if (forced) await (await page.context().newCDPSession(page)).send('Emulation.setAutoDarkModeOverride', { enabled: true });
      const html = (change ?? ((text) => text))(mails[name]);
      await read(forced ? html.replace(/<style>.*<\/style>/s, '').replace(/<meta name="(?:supported-)?color-schemes?"[^>]*>/g, '') : html, width);
      await page.setViewportSize({ width, height: 100 });
      await page.screenshot({ path: `${process.env.SCREENSHOTS}/invitation-${picture}.png`, fullPage: true });
    }
  };
  if (process.env.SCREENSHOTS) test('has its picture taken', pictures);
});
