import { Memories, randomText } from './memory';
import type { Page } from './page';
import { Refused, type Server, type Settings, type Visitor } from './protocol';
import { day, dueAt, hash, isTime, second, see } from './rules';
import { show } from './view';

// me is this page among the tabs of the browser.
const me = randomText();

// turnEnds is after how many milliseconds a turn is lost: its tab may have gone.
const turnEnds = 30 * second;

// doubt is how many milliseconds a tab waits to see whether another took the turn at the same instant.
const doubt = 100;

// Campaign is one script element: when it asks, and what became of it.
export class Campaign {
  private settings: Settings | undefined;
  private loading: Promise<void> | undefined;
  private memories: Memories;
  // isOver is once nothing comes of itself any more in this page view.
  private isOver = false;
  // isAsked is once the question was shown in this page view: to whom the page names now, or to whoever has left.
  private isAsked = false;
  private isBusy = false;
  // isCalled is whether the question, or what leads to it, was called for by the page's code.
  private isCalled = false;
  // After a failure it waits by itself, for twice as long each time.
  private failures = 0;
  private pausedUntil = 0;
  private remove: (() => void) | undefined;
  // isNamed is whether the question that is shown is for somebody known.
  private isNamed = false;
  // lapsed is the token by which the server knows nobody, or nobody any more.
  private lapsed: string | undefined;

  constructor(
    private readonly page: Page,
    private readonly id: string,
    private readonly server: Server,
    private readonly data: DOMStringMap,
  ) {
    this.memories = new Memories(id, data.storage === 'off');
  }

  // load gets the settings once. What fails is tried again when the page is looked at anew.
  load(): Promise<void> {
    this.loading ??= this.server.settings().then(
      (settings) => {
        if (!settings.isEnabled) return;
        this.settings = settings;
        this.see(true);
        this.page.look();
        this.page.tick();
      },
      (error: unknown) => {
        if (error instanceof Refused && error.status === 404) warn(`there is no campaign ${this.id}`);
        else this.loading = undefined;
      },
    );
    return this.loading;
  }

  // see notes that the browser comes, or goes.
  see(isComing: boolean): void {
    const now = Date.now();
    if (this.settings) this.memories.change(now, (memory) => see(memory, isComing, now));
  }

  // mayAsk says whether it may yet ask by itself in this page view, whenever that is.
  private mayAsk(settings: Settings): boolean {
    return !(settings.onCallOnly || this.isOver || this.isAsked || this.isBusy);
  }

  // waits says for how many milliseconds it asks nothing by itself, on whatever page and however long that is seen. Infinity is for as
  // long as the page is not looked at anew.
  waits(): number {
    const { settings } = this;
    if (!settings || !this.mayAsk(settings) || (settings.layout !== 'INLINE' && this.page.over)) return Infinity;
    const now = Date.now();
    if (this.memories.read(now).visits < settings.fromVisit) return Infinity;
    return Math.max(0, this.pausedUntil - now, this.dueAt(settings, now) - now);
  }

  // consider asks where all rules hold. visible is for how many milliseconds the page was seen. It is called every second, and looks
  // last into what is remembered.
  consider(visible: number): void {
    const { settings } = this;
    if (!settings || !this.mayAsk(settings) || !isTime(settings, location.href, visible)) return;
    if (this.place(settings) === undefined) return;
    if (this.waits()) this.page.look();
    else void this.tryToAsk(settings);
  }

  // ask is a call of the page's code.
  async ask(): Promise<void> {
    this.isCalled = true;
    await this.load();
    if (this.settings && !this.isBusy) await this.tryToAsk(this.settings);
    if (!this.isBusy) this.isCalled = false;
  }

  // identified is told that the page names somebody, or nobody any more, as after a logout: then a question goes that was for somebody.
  identified(): void {
    if (this.token()) this.isAsked = false;
    else if (this.isNamed) this.remove?.();
  }

  // token is what the page names somebody by.
  private token(): string | undefined {
    return (this.page.identity === undefined ? this.data.token : this.page.identity) || undefined;
  }

  private dueAt(settings: Settings, now: number): number {
    const token = this.token();
    const who = token ? { token: hash(token), isLapsed: token === this.lapsed } : undefined;
    return dueAt(settings, this.memories.read(now), this.id, who);
  }

  private isDue(settings: Settings): boolean {
    const now = Date.now();
    return !(now < this.dueAt(settings, now));
  }

  // place is where the question goes; null is over the page. There is none where the page lacks it, or another question is there.
  private place(settings: Settings): Element | null | undefined {
    if (settings.layout !== 'INLINE') return this.page.over ? undefined : null;
    try {
      return document.querySelector(this.data.inline ?? '') ?? undefined;
    } catch {
      if (!this.isOver) warn('data-inline must be a CSS selector for this campaign');
      this.isOver = true;
      return undefined;
    }
  }

  private async tryToAsk(settings: Settings): Promise<void> {
    if (!this.isDue(settings)) return;
    const place = this.place(settings);
    if (place === undefined) return;
    if (!place) this.page.over = this;
    this.isBusy = true;
    this.page.look();
    try {
      if (await this.takeTurn(settings)) await this.put(settings, place);
    } catch (error) {
      this.fail(error);
    }
    if (!this.remove) this.rest(false);
  }

  // takeTurn says whether this tab may go on: of those that try at the same instant, the last one that wrote.
  private async takeTurn(settings: Settings): Promise<boolean> {
    const now = Date.now();
    const { turn } = this.memories.read(now);
    if (turn && turn[0] !== me && Math.abs(now - turn[1]) < turnEnds) return false;
    this.memories.change(now, (memory) => (memory.turn = [me, now]));
    await new Promise((resolve) => setTimeout(resolve, doubt));
    return this.memories.read(now).turn?.[0] === me && this.isDue(settings);
  }

  // put asks the server, and then whoever is there.
  private async put(settings: Settings, place: Element | null): Promise<void> {
    const given = this.token();
    const token = given === this.lapsed ? undefined : given;
    const { locale, variant } = this.data;
    const visitor: Visitor = { visitor: this.memories.read(Date.now()).visitor, page: location.href.split('#')[0] ?? '' };
    if (token) visitor.token = token;
    if (locale) visitor.locale = locale;
    if (variant) visitor.variant = variant;
    const question = await this.server.ask(visitor);
    const now = Date.now();
    if ('unknown' in question) {
      // From here on it is as with nobody, for whom the rules are others.
      this.lapsed = token;
      if (this.isDue(settings)) await this.put(settings, place);
      return;
    }
    if (!question.ask) {
      const until = now + question.again * second;
      this.memories.change(now, (memory) => {
        if (token) memory.named = [hash(token), until];
        else memory.again = until;
      });
      return;
    }
    // It was for somebody who has gone meanwhile.
    if (token && !this.token()) return;
    this.memories.change(now, (memory) => {
      if (token) memory.named = [hash(token), now + settings.waitDays * day];
      else memory.asked = now;
      delete memory.turn;
    });
    this.isAsked = true;
    this.isNamed = !!token;
    const about = { campaign: this.id, ...(question.variant && { variant: question.variant }) };
    this.remove = show(question, settings, place, this.isCalled, {
      answer: async (answer) => {
        await this.server.answer(answer);
        if ('score' in answer) {
          const { id, ...given } = answer;
          this.page.tell('answered', { ...about, ...given });
        }
      },
      declined: () => this.page.tell('declined', about),
      removed: () => {
        this.remove = undefined;
        this.rest(true);
      },
    });
    this.page.tell('asked', about);
  }

  private fail(error: unknown): void {
    const { status, seconds } = error instanceof Refused ? error : { status: 0, seconds: 0 };
    if (status >= 400 && status < 500 && status !== 429) {
      warn(`the server refuses to ask here (${status})`);
      this.isOver = true;
    }
    this.pausedUntil = Date.now() + Math.max(seconds, 60 * 2 ** this.failures) * second;
    this.failures = Math.min(this.failures + 1, 6);
  }

  private rest(wasShown: boolean): void {
    const now = Date.now();
    this.isBusy = this.isCalled = false;
    this.memories.change(now, (memory) => {
      if (memory.turn?.[0] === me) delete memory.turn;
    });
    this.page.release(this, wasShown);
  }
}

function warn(text: string): void {
  console.warn('zeroten:', text);
}
