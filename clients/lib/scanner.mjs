// What scanners of mails do: they open links, some in a browser, and send forms that nobody has touched.
import { once } from 'node:events';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';

// chrome is what a scanner says that it is.
export const chrome = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36';

// desk is a browser as scanners have it.
export const desk = { userAgent: chrome, isMobile: false, hasTouch: false, viewport: { width: 1280, height: 720 } };

// program makes a request as a program does, from an address of its own.
export async function program(url, { method = 'GET', headers = {}, from = '127.0.0.9', body } = {}) {
  const sent = request(url, { method, headers, localAddress: from, agent: false });
  sent.end(body);
  const [response] = await once(sent, 'response');
  return { status: response.statusCode, headers: response.headers, text: await text(response) };
}

// untouched has a page open what a URL leads to, look at it for so many seconds, and send by a trick whatever is there, and what comes of it again.
// check is told of each page that comes.
export async function untouched(page, url, trick, seconds, check) {
  await page.goto(url);
  await page.waitForFunction((age) => document.visibilityState === 'visible' && performance.now() > age, seconds * 1000);
  for (let i = 0; i < 2; i++) {
    const arrived = page.waitForNavigation();
    await page.locator('form').evaluate(trick);
    await arrived;
    await check(page);
  }
}

// tricks are how a script sends a form that nobody has touched. Each is told which form.
export const tricks = {
  'form.submit()': (form) => form.submit(),
  'form.requestSubmit()': (form) => form.requestSubmit(),
  'button.click()': (form) => form.querySelector('button').click(),
  'a click that is dispatched': (form) =>
    form.querySelector('button').dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true, view: window })),
  'pointer, keys and focus by script': (form) => {
    const button = form.querySelector('button');
    const chosen = form.querySelector('input:checked');
    const options = { bubbles: true, cancelable: true };
    for (const target of [chosen, button].filter(Boolean)) {
      target.focus();
      for (const type of ['pointerdown', 'pointerup']) target.dispatchEvent(new PointerEvent(type, options));
      for (const type of ['mousemove', 'mousedown', 'mouseup']) target.dispatchEvent(new MouseEvent(type, options));
      for (const type of ['keydown', 'keyup']) target.dispatchEvent(new KeyboardEvent(type, { ...options, key: 'Enter' }));
      for (const type of ['input', 'change']) target.dispatchEvent(new Event(type, options));
    }
    chosen?.click();
    window.scrollTo(0, document.body.scrollHeight);
    form.requestSubmit(button);
  },
};
