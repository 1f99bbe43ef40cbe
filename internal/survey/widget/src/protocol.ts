// What script and server say to each other.

export type Category = 'PROMOTER' | 'PASSIVE' | 'DETRACTOR';
export type Layout = 'BAR' | 'MODAL' | 'INLINE';

// Settings is when and how a campaign asks.
export type Settings = {
  isEnabled: true;
  layout: Layout;
  pages: string[];
  onCallOnly: boolean;
  samplePercent: number;
  waitDays: number;
  firstAfterDays: number;
  fromVisit: number;
  afterSeconds: number;
  brand: Brand;
};

export type Brand = {
  name: string;
  accent: string;
  onAccent: string;
  background: string;
  text: string;
  muted: string;
  line: string;
  isDark: boolean;
  privacyPolicy?: string;
};

// Visitor is who looks at which page, as far as the page knows.
export type Visitor = { visitor: string; token?: string; page: string; locale?: string; variant?: string };

// Leave says that nobody is asked for so many seconds at least.
export type Leave = { ask: false; again: number };

// Nobody says that the token names nobody, or nobody any more.
export type Nobody = { ask: false; unknown: true };

// Question is what is shown to somebody who is asked. The id lets whoever has it answer.
export type Question = {
  ask: true;
  id: string;
  variant?: string;
  locale: string;
  direction: 'ltr' | 'rtl';
  question: string;
  questionLocale?: string;
  lowLabel: string;
  highLabel: string;
  followUps: ByCategory;
  thankYous: ByCategory;
  steps?: Step[];
  experience?: Link;
  words: { send: string; optional: string; close: string; tryAgain: string; privacyPolicy: string; nextSteps: string };
};

export type ByCategory = { promoters: string; passives: string; detractors: string };
export type Link = { label: string; url: string };
export type Step = Link & { categories?: Category[] };

export type Answer = { id: string; score: number; comment?: string } | { id: string; declined: true };

// Refused is an answer of the server that is not 200.
export class Refused {
  // seconds is how long the server wants to be left alone; none where it, or the browser, does not say.
  constructor(readonly status: number, readonly seconds: number) {}
}

// patience is how many milliseconds the server has to answer: whoever waits must be told in the end.
const patience = 20_000;

// Server is the server of a script, as one campaign sees it.
export class Server {
  constructor(private readonly address: string) {}

  settings(): Promise<Settings | { isEnabled: false }> {
    return this.call('');
  }

  ask(visitor: Visitor): Promise<Question | Leave | Nobody> {
    return this.call('/ask', visitor);
  }

  answer(answer: Answer): Promise<unknown> {
    return this.call('/answer', answer);
  }

  // call rejects with Refused, or with whatever error the network gives. A text as the body needs no preflight, and keepalive
  // lets the request outlive the page.
  private async call<T>(path: string, body?: object): Promise<T> {
    const response = await fetch(this.address + path, {
      credentials: 'omit',
      signal: AbortSignal.timeout(patience),
      ...(body && { method: 'POST', body: JSON.stringify(body), keepalive: true }),
    });
    if (response.status !== 200) throw new Refused(response.status, Number(response.headers.get('Retry-After')) || 0);
    return response.json();
  }
}
