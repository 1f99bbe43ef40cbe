// When somebody may be asked. Nothing here looks at the page or the clock: all is given.
import type { Settings } from './protocol';
import type { Memory } from './memory';

export const second = 1000;
export const day = 86_400 * second;

// visitGap is how long nothing must have been seen of a browser for its next page to begin another visit.
const visitGap = 1800 * second;

// isDue says whether the rules that hold in any case let the browser be asked now, in milliseconds since 1970.
export function isDue(rules: Settings, memory: Memory, isKnown: boolean, now: number): boolean {
  return (
    // Of those who are known the server draws, and knows since when.
    (isKnown || memory.drawn < rules.samplePercent) &&
    !(now < (memory.asked ?? -Infinity) + rules.waitDays * day) &&
    !(now < (memory.again ?? 0)) &&
    (isKnown || now >= memory.first + rules.firstAfterDays * day)
  );
}

// isDueUnasked says whether the other rules hold, which a call of the page's code sets aside. visible is for how many
// milliseconds the page has been seen.
export function isDueUnasked(rules: Settings, memory: Memory, page: string, visible: number): boolean {
  return (
    !rules.onCallOnly && matches(rules.pages, page) && memory.visits >= rules.fromVisit && visible >= rules.afterSeconds * second
  );
}

// see notes that the browser is on a page, or leaves it. Coming is another visit where it was away for more than half an hour.
export function see(memory: Memory, isComing: boolean, now: number): void {
  if (isComing && (!memory.visits || now - memory.seen > visitGap)) memory.visits++;
  memory.seen = now;
}

// matches says whether one of the patterns, or none at all, is for the page. A `*` is any text: in the host without a `/`, and
// what comes before the path of a page has none.
export function matches(patterns: string[], page: string): boolean {
  const [origin, path] = split(page);
  return (
    !patterns.length ||
    patterns.some((pattern) => {
      const [host, rest] = split(pattern);
      return fits(host.toLowerCase(), origin) && fits(rest, path);
    })
  );
}

// split parts scheme and host from path and query, and leaves the fragment out.
function split(address: string): [string, string] {
  const [whole = ''] = address.split('#');
  const host = whole.indexOf('://') + 3;
  const slash = whole.indexOf('/', host);
  return slash < 0 ? [whole, '/'] : [whole.slice(0, slash), whole.slice(slash)];
}

// fits takes the first place that there is for each part of the pattern: no pattern can take long.
function fits(pattern: string, text: string): boolean {
  const parts = pattern.split('*');
  const [first = ''] = parts;
  const last = parts[parts.length - 1] ?? '';
  if (parts.length < 2) return text === pattern;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  const middle = text.slice(first.length, text.length - last.length);
  let at = 0;
  for (const part of parts.slice(1, -1)) {
    at = middle.indexOf(part, at);
    if (at < 0) return false;
    at += part.length;
  }
  return true;
}
