// Inbox keeps what comes in, in its order, for whoever waits for it.
export class Inbox {
  items = [];
  #changed = withResolvers();

  push(item) {
    this.items.push(item);
    this.#wake();
  }

  // fail makes all waiting fail from now on.
  fail(error) {
    this.error = error instanceof Error ? error : new Error(`it failed: ${describe(error)}`, { cause: error });
    this.#wake();
  }

  #wake() {
    const { resolve } = this.#changed;
    this.#changed = withResolvers();
    resolve();
  }

  // until waits until there are so many items, or until they are as the function wants them.
  async until(wanted) {
    const done = typeof wanted === 'number' ? (items) => items.length >= wanted : wanted;
    while (!done(this.items)) {
      if (this.error) throw this.error;
      await this.#changed.promise;
    }
    return this.items;
  }
}

export function withResolvers() {
  let resolve, reject;
  const promise = new Promise((yes, no) => ([resolve, reject] = [yes, no]));
  return { promise, resolve, reject };
}

function describe(value) {
  if (value && typeof value.code === 'number') return `${value.code} ${value.reason}`;
  return JSON.stringify(value);
}
