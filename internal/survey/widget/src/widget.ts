// The entry: one `zeroten` for the page, however many script elements there are.
import { Campaign } from './campaign';
import { Page } from './page';
import { Server } from './protocol';

type Zeroten = {
  (...command: unknown[]): void;
  // q has what was called before the script was there, by the stub of the snippet.
  q?: ArrayLike<unknown>[];
  // begin is only of the real one, for further script elements.
  begin?: (script: HTMLScriptElement) => void;
};

const global = window as typeof window & { zeroten?: Zeroten };
// A page may show what strangers wrote: an image of this name stands in for what the browser says, and would name another server.
const script = document.currentScript;
const before = global.zeroten;

if (!(script instanceof HTMLScriptElement)) {
  console.warn('zeroten: load the script by a classic script element, not as a module');
} else if (typeof before?.begin === 'function') {
  before.begin(script);
} else if ('adoptedStyleSheets' in document && 'timeout' in AbortSignal) {
  // Older browsers are left alone.
  start(script, before?.q ?? []);
}

function start(script: HTMLScriptElement, early: ArrayLike<unknown>[]): void {
  const page = new Page();
  let wasAskedEarly = false;

  const zeroten: Zeroten = (command, value, listener) => {
    if (command === 'ask') page.ask();
    else if (command === 'identify') page.identify(typeof value === 'string' && value ? value : null);
    else if (command === 'on' && typeof listener === 'function') page.on(String(value), listener as (detail: object) => void);
    else console.warn('zeroten: there is no', command);
  };

  zeroten.begin = ({ src, dataset }) => {
    const id = dataset.campaign;
    if (!id) return console.warn('zeroten: the script element has no data-campaign');
    const server = new Server(`${new URL(src).origin}/w/${encodeURIComponent(id)}`);
    const campaign = page.add(id, () => new Campaign(page, id, server, { ...dataset }));
    // An early call was for all scripts of the page, and this may be the last that comes.
    if (campaign && wasAskedEarly) void campaign.ask();
  };

  global.zeroten = zeroten;
  zeroten.begin(script);
  for (const call of early) {
    const command = Array.from(call);
    zeroten(...command);
    wasAskedEarly = wasAskedEarly || command[0] === 'ask';
  }
}
