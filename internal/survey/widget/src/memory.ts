// What a browser remembers of a campaign, so that it is asked once in a while and not again and again.

// Memory is of one campaign. Instants are milliseconds since 1970.
export type Memory = {
  // visitor is this browser to the server: random, and of this campaign alone.
  visitor: string;
  // first and seen are when the browser was first and last seen, in so many visits.
  first: number;
  seen: number;
  visits: number;
  // asked is when the question was last shown while nobody was known, and again until when the server wants to be left alone then.
  asked?: number;
  again?: number;
  // named is the last token that named somebody, as a hash, and until when the server wants to be left alone by them. It binds nobody
  // who comes with another: the server knows who that is.
  named?: [token: number, until: number];
  // turn is whose page asks the server just now, and since when: of two tabs only one may.
  turn?: [page: string, since: number];
};

// key is all that is ever written, as JSON: a Memory by campaign.
const key = 'zeroten';

export class Memories {
  private isOff: boolean;
  private own: Memory | undefined;

  // Where isOff, or where the browser refuses, nothing outlives the page view.
  constructor(private readonly campaign: string, isOff: boolean) {
    this.isOff = isOff;
  }

  // read is what is remembered now: other tabs write, too.
  read(now: number): Memory {
    if (!this.isOff) {
      const kept = this.all()[this.campaign];
      if (isMemory(kept)) return kept;
    }
    // Where others cleared the storage that is another browser, who was never seen.
    if (!this.own || !this.isOff) {
      this.own = { visitor: randomText(), first: now, seen: now, visits: 0 };
    }
    return this.own;
  }

  // change reads, changes and writes.
  change(now: number, edit: (memory: Memory) => void): Memory {
    const memory = this.read(now);
    edit(memory);
    if (!this.isOff) {
      const all = this.all();
      all[this.campaign] = memory;
      try {
        localStorage.setItem(key, JSON.stringify(all));
      } catch {
        this.isOff = true;
      }
    }
    this.own = memory;
    return memory;
  }

  private all(): Record<string, unknown> {
    let text: string | null = null;
    try {
      text = localStorage.getItem(key);
    } catch {
      this.isOff = true;
    }
    try {
      const all: unknown = JSON.parse(text ?? '');
      if (all && typeof all === 'object') return all as Record<string, unknown>;
    } catch {
      // Nothing yet, or not of ours.
    }
    return {};
  }
}

function isMemory(value: unknown): value is Memory {
  const memory = value as Memory | null | undefined;
  return (
    !!memory && /^[\w-]{22}$/.test(memory.visitor) && [memory.first, memory.seen, memory.visits].every(Number.isFinite)
  );
}

// randomText is 128 random bits as 22 characters of base64url.
export function randomText(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_').slice(0, 22);
}
