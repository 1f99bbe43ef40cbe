// When somebody may be asked. Nothing here looks at the page or the clock: all is given.
import type { Settings } from './protocol';
import type { Memory } from './memory';

export const second = 1000;
export const day = 86_400 * second;

// visitGap is how long nothing must have been seen of a browser for its next page to begin another visit.
const visitGap = 1800 * second;

// Who is whom the page names, by a hash of the token; isLapsed is where the server knows nobody by it, or nobody any more.
export type Who = { token: number; isLapsed: boolean };

// dueAt says from when on the rules that hold in any case let the browser be asked, in milliseconds since 1970; Infinity is never.
// who is undefined where the page names nobody.
export function dueAt(rules: Settings, memory: Memory, campaign: string, who: Who | undefined): number {
  const { asked = -Infinity, again = 0, first, named } = memory;
  const due = asked + rules.waitDays * day;
  // Of those who are known the server draws, and knows since when they are, and when they were asked: it says so once for each token.
  if (who && !who.isLapsed) return Math.max(due, named?.[0] === who.token ? named[1] : 0);
  if (lot(campaign, memory.visitor) >= rules.samplePercent) return Infinity;
  // With a token that has lapsed it may be whoever was known here last.
  return Math.max(due, again, first + rules.firstAfterDays * day, who && named ? named[1] : 0);
}

// isTime says whether the page is one to ask on, and was seen for long enough: visible is for how many milliseconds. A call of the
// page's code sets both aside, and the visits.
export function isTime(rules: Settings, page: string, visible: number): boolean {
  return visible >= rules.afterSeconds * second && matches(rules.pages, page);
}

// lot is what the browser draws in the campaign, 0 to 99: it is among the sample where it is less than the sample's percentage. The
// server draws the same.
export function lot(campaign: string, visitor: string): number {
  return hash(campaign + visitor) % 100;
}

// hash is FNV-1a of 32 bits, of ASCII: there is no better one on pages without TLS.
export function hash(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
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
