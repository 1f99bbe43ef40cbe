// The page that the script stands in, and what all campaigns on it share.
import type { Campaign } from './campaign';
import { second } from './rules';

// longest is how many milliseconds a timer can take.
const longest = 2 ** 31 - 1;

type Listener = (detail: object) => void;

export class Page {
  // identity is the token that code named the person by, null where it said nobody, and undefined where it said nothing.
  identity: string | null | undefined;
  // over is the campaign whose question is over the page, or about to be: there is one at most.
  over: Campaign | undefined;
  private campaigns = new Map<string, Campaign>();
  private listeners: [event: string, listener: Listener][] = [];
  private timer = 0;
  private isVisible = false;
  // path is which page is looked at, and visible for how many milliseconds it was, up to the instant last.
  private path = '';
  private visible = 0;
  private last = 0;

  constructor() {
    document.addEventListener('visibilitychange', () => this.look());
  }

  // add gives the campaign where there was none of this id.
  add(id: string, make: () => Campaign): Campaign | undefined {
    if (this.campaigns.has(id)) return undefined;
    const campaign = make();
    this.campaigns.set(id, campaign);
    this.look();
    return campaign;
  }

  ask(): void {
    for (const campaign of this.campaigns.values()) void campaign.ask();
  }

  identify(token: string | null): void {
    this.identity = token;
    for (const campaign of this.campaigns.values()) campaign.identified();
    this.look();
  }

  on(event: string, listener: Listener): void {
    this.listeners.push([event, listener]);
  }

  // tell calls listeners. What goes wrong in them is the page's.
  tell(event: string, detail: object): void {
    for (const [wanted, listener] of this.listeners) {
      if (wanted !== event) continue;
      try {
        listener(detail);
      } catch (error) {
        console.error(error);
      }
    }
  }

  // release makes room for another question. Where there was one that was seen, the next waits for its seconds from the beginning.
  release(campaign: Campaign, wasShown: boolean): void {
    if (this.over === campaign) this.over = undefined;
    if (wasShown) this.visible = 0;
    this.look();
  }

  // look goes on looking where the page can be seen: every second where a campaign waits for nothing but seconds and the right page,
  // else once that may be so, if ever.
  look(): void {
    const isVisible = document.visibilityState !== 'hidden';
    const campaigns = [...this.campaigns.values()];
    this.count();
    if (isVisible !== this.isVisible) {
      this.isVisible = isVisible;
      for (const campaign of campaigns) campaign.see(isVisible);
    }
    clearInterval(this.timer); // or the timeout: they are of one kind
    if (!isVisible) return;
    for (const campaign of campaigns) campaign.load();
    const wait = Math.min(...campaigns.map((campaign) => campaign.waits()));
    if (!wait) this.timer = setInterval(() => this.tick(), second);
    else if (wait < Infinity) this.timer = setTimeout(() => this.look(), Math.min(wait, longest));
  }

  // tick is every second while a campaign waits: that is often enough to see, too, when a script changed the address,
  // without touching the page's own history. Another path is another page.
  tick(): void {
    this.count();
    const path = location.origin + location.pathname;
    if (path !== this.path) {
      this.path = path;
      this.visible = 0;
    }
    for (const campaign of this.campaigns.values()) campaign.consider(this.visible);
  }

  private count(): void {
    const now = performance.now();
    if (this.isVisible) this.visible += now - this.last;
    this.last = now;
  }
}
