// What is shown: built of elements and texts, never of markup, in a shadow root whose style sheet is made here, so that a strict
// content security policy and Trusted Types have nothing to forbid.
import type { Answer, Brand, ByCategory, Category, Question, Settings } from './protocol';
import styles from './widget.css';

const name = 'zeroten-survey';
const maxComment = 10_000;

// Hooks is whom the view tells what happens.
export type Hooks = {
  // answer rejects where the answer was not taken.
  answer(answer: Answer): Promise<void>;
  declined(): void;
  removed(): void;
};

// show shows the question, in place or over the page, and gives what takes it away without an answer.
export function show(question: Question, settings: Settings, place: Element | null, isCalled: boolean, hooks: Hooks): () => void {
  const { id, words } = question;
  const { layout, brand } = settings;
  const isDialog = layout === 'MODAL';
  // Only where code called for it may it take the keyboard: nobody's typing goes astray else.
  const takesFocus = isDialog && isCalled;

  let score: number | undefined;
  // comment is what is sent along since Send was pressed, until it arrives: also where it failed, and whoever wrote it goes.
  let comment: string | undefined;
  // isThanked is whether thanks are due once it arrives.
  let isThanked = false;
  // isKept is whether the server has the number.
  let isKept = true;
  let turn = 0;
  let last: Promise<void> = Promise.resolve();

  const host = element();
  const root = host.shadowRoot as ShadowRoot;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(styles + colors(brand) + (place ? '' : ':host{position:fixed!important;z-index:2147483647!important}'));
  root.adoptedStyleSheets = [sheet];

  const close = button('×', 'close', leave);
  close.setAttribute('aria-label', words.close);
  close.title = words.close;

  const asked = make('div', 'question', question.question);
  asked.id = 'question';
  foreign(asked, question.questionLocale);
  // In two rows the numbers do not stand above what is said of them.
  const low = make('span', '', question.lowLabel && `0 – ${question.lowLabel}`);
  const high = make('span', '', question.highLabel && `10 – ${question.highLabel}`);
  const ends = make('div', 'ends', low, high);
  ends.id = 'ends';
  const numbers = Array.from({ length: 11 }, (_, i) => {
    const number = button(String(i), '', () => choose(i));
    number.setAttribute('aria-pressed', 'false');
    return number;
  });
  const scale = make('div', 'scale', make('div', 'numbers', ...numbers), ends);
  const group = make('div', 'group', asked, scale);
  group.setAttribute('role', 'group');
  group.setAttribute('aria-labelledby', asked.id);
  group.setAttribute('aria-describedby', ends.id);

  const followUp = make('span', '', '');
  const field = make('textarea', '');
  field.id = 'comment';
  field.maxLength = maxComment;
  // What is written may run the other way than what is asked; an empty field runs with the rest.
  field.addEventListener('input', () => (field.dir = field.value && 'auto'));
  field.rows = 3;
  const label = make('label', '', followUp, make('small', '', ` (${words.optional})`));
  label.htmlFor = field.id;
  const sendButton = button(words.send, 'send', () => {
    comment = field.value.trim();
    isThanked = true;
    void send();
  });
  const more = make('div', 'more', label, field, sendButton);
  more.hidden = true;

  const alert = make('div', 'alert', '');
  alert.setAttribute('role', 'alert');
  // What changes without the focus is said by those who read the page aloud.
  const status = make('div', 'status', '');
  status.setAttribute('role', 'status');

  const foot = make('div', 'foot', make('span', '', brand.name));
  for (const { label, url } of [
    question.experience ?? { label: '', url: '' },
    { label: words.privacyPolicy, url: brand.privacyPolicy ?? '' },
  ]) {
    const anchor = link(label, url);
    if (anchor) foot.append(anchor);
  }

  const content = make('div', 'content', group, more, alert);
  const card: HTMLElement = make(isDialog ? 'dialog' : 'section', `card ${layout.toLowerCase()}`, close, content, foot, status);
  card.setAttribute('aria-labelledby', asked.id);
  card.lang = question.locale;
  card.dir = question.direction === 'rtl' ? 'rtl' : 'ltr';
  card.tabIndex = -1;
  root.append(card);

  // Where the focus came from, it goes back to.
  let origin: Element | null = takesFocus ? document.activeElement : null;
  host.addEventListener('focusin', ({ relatedTarget }) => {
    if (relatedTarget instanceof Element) origin = relatedTarget;
  });
  if (isDialog) {
    // Escape, in the dialog that has the page to itself, and in the one that has not.
    card.addEventListener('cancel', (event) => {
      event.preventDefault();
      if (event.isTrusted) leave();
    });
    card.addEventListener('keydown', (event) => {
      if (event.isTrusted && event.key === 'Escape' && !event.isComposing) {
        event.preventDefault();
        leave();
      }
    });
  }

  // The root element is never transformed by the page's own design, and frameworks that replace the body leave it alone.
  (place ?? document.documentElement).append(host);
  if (card instanceof HTMLDialogElement) {
    if (takesFocus) {
      card.showModal();
      card.focus();
    } else {
      card.open = true;
    }
  }
  // A live region says only what comes after itself.
  if (!takesFocus && !place) requestAnimationFrame(() => (status.textContent = question.question));
  return remove;

  function choose(number: number): void {
    score = number;
    numbers.forEach((button, i) => button.setAttribute('aria-pressed', String(i === number)));
    followUp.textContent = ofCategory(question.followUps);
    foreign(followUp, question.questionLocale);
    more.hidden = false;
    status.textContent = followUp.textContent;
    void send();
  }

  // send sends what is chosen by now. One request follows the other, so that the last word is the last one to arrive.
  function send(): Promise<void> {
    if (score === undefined) return last;
    const mine = ++turn;
    const answer: Answer = { id, score, ...(comment && { comment }) };
    isKept = false;
    alert.textContent = '';
    last = last.then(async () => {
      // Meanwhile another number was chosen, which is sent with all the rest.
      if (mine !== turn) return;
      try {
        await hooks.answer(answer);
        if (mine !== turn) return;
        isKept = true;
        if (isThanked) thank();
      } catch {
        if (mine !== turn) return;
        isThanked = false;
        alert.textContent = words.tryAgain;
      }
    });
    return last;
  }

  function thank(): void {
    const thanks = make('div', 'thanks', ofCategory(question.thankYous));
    thanks.id = 'thanks';
    thanks.tabIndex = -1;
    foreign(thanks, question.questionLocale);
    const steps = (question.steps ?? [])
      .filter(({ categories }) => !categories || categories.includes(category()))
      .map(({ label, url }) => link(label, url))
      .filter((anchor) => anchor !== undefined);
    const hadFocus = !!root.activeElement;
    content.replaceChildren(thanks);
    if (steps.length) {
      const heading = make('div', 'heading', words.nextSteps);
      content.append(heading, make('ul', 'steps', ...steps.map((anchor) => make('li', '', anchor))));
    }
    card.setAttribute('aria-labelledby', thanks.id);
    card.classList.add('done');
    // Whoever is here goes on from here; to all others it is said.
    if (hadFocus) thanks.focus();
    else status.textContent = thanks.textContent;
  }

  // leave is what whoever is asked does: without a number it is an answer, too.
  function leave(): void {
    if (!host.isConnected) return;
    if (score === undefined) {
      void hooks.answer({ id, declined: true }).catch(() => {});
      hooks.declined();
    } else {
      // They did choose it, and what they wrote they did send: once more, where it did not arrive.
      void last.then(() => {
        if (!isKept) void send();
      });
    }
    remove();
  }

  function remove(): void {
    const hadFocus = takesFocus || !!root.activeElement;
    if (card instanceof HTMLDialogElement) card.close();
    host.remove();
    if (hadFocus && origin instanceof HTMLElement) origin.focus();
    hooks.removed();
  }

  function category(): Category {
    return score! > 8 ? 'PROMOTER' : score! > 6 ? 'PASSIVE' : 'DETRACTOR';
  }

  function ofCategory(texts: ByCategory): string {
    return { PROMOTER: texts.promoters, PASSIVE: texts.passives, DETRACTOR: texts.detractors }[category()];
  }
}

// element makes the custom element. Another script of ours may have defined it.
function element(): HTMLElement {
  if (!customElements.get(name)) {
    customElements.define(
      name,
      class extends HTMLElement {
        constructor() {
          super();
          this.attachShadow({ mode: 'open' });
        }
      },
    );
  }
  return document.createElement(name);
}

function make<Tag extends keyof HTMLElementTagNameMap>(tag: Tag, className: string, ...content: (Node | string)[]): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...content);
  return element;
}

// button does something when a person presses it; what a script of the page does to it is no answer of anybody.
function button(text: string, className: string, press: () => void): HTMLButtonElement {
  const element = make('button', className, text);
  element.type = 'button';
  element.addEventListener('click', ({ isTrusted }) => {
    if (isTrusted) press();
  });
  return element;
}

// link leads to https and nowhere else, whatever the server said.
function link(label: string, url: string): HTMLAnchorElement | undefined {
  let target: URL;
  try {
    target = new URL(url);
  } catch {
    return undefined;
  }
  if (target.protocol !== 'https:') return undefined;
  const anchor = make('a', '', label || target.hostname);
  anchor.href = target.href;
  anchor.target = '_blank';
  anchor.rel = 'noopener noreferrer';
  return anchor;
}

// foreign marks a text that is in another language than the rest, and may run the other way.
function foreign(element: HTMLElement, locale: string | undefined): void {
  if (!locale) return;
  element.lang = locale;
  element.dir = 'auto';
}

// colors are the brand's, as far as they are colours and nothing else.
function colors(brand: Brand): string {
  const properties = { accent: brand.accent, 'on-accent': brand.onAccent, background: brand.background, text: brand.text, muted: brand.muted, line: brand.line };
  const declared = Object.entries(properties).map(([name, color]) => (/^#[\da-f]{6}$/i.test(color) ? `--${name}:${color};` : ''));
  return `.card{${declared.join('')}color-scheme:only ${brand.isDark ? 'dark' : 'light'}}`;
}
