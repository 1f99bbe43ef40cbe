// The recipes of docs/api.md, as they stand there.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse, print, separateOperations } from 'graphql';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { Inbox } from './lib/inbox.mjs';
import { onEachDatabase } from './lib/server.mjs';
import { makeCampaign, makeToken, record, texts } from './lib/tenant.mjs';

const docs = readFileSync(new URL('../docs/api.md', import.meta.url), 'utf8');

// blocks are the recipe's blocks of code in a language.
function blocks(name, language) {
  const [, recipe] = docs.split(`### ${name}\n`);
  const found = recipe.split(/\n##/)[0].matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\n\`\`\``, 'g'));
  return Array.from(found, ([, code]) => code);
}

const AsyncFunction = (async () => {}).constructor;

onEachDatabase('Recipes', { concurrency: 4 }, (world) => {
  test('a live list without a gap: all that is recorded meanwhile is shown, and nothing is told twice', async (t) => {
    const name = 'A live list without a gap';
    const { Page, Live } = Object.fromEntries(Object.entries(separateOperations(parse(blocks(name, 'graphql').join('\n')))).map(([of, doc]) => [of, print(doc)]));
    const [code] = blocks(name, 'js');
    const live = new AsyncFunction('Page', 'Live', 'ask', 'client', 'filter', 'belongs', 'show', code);
    const campaign = await makeCampaign(world.server, name);
    const filter = { campaigns: [campaign] };
    const narrowed = await makeToken(world.server, { campaigns: [campaign] });
    const want = texts('listed', 90);
    const recorded = (async () => {
      for (let i = 0; i < want.length; i += 3) await record(world.server, campaign, want.slice(i, i + 3));
    })();
    const lists = [];
    for (let i = 0; i < 6; i++) {
      const key = i % 2 ? narrowed : world.server.key;
      const client = createClient({ url: world.server.endpoint.replace('http', 'ws'), webSocketImpl: WebSocket, connectionParams: { accessToken: key } });
      t.after(() => client.dispose());
      const list = { inbox: new Inbox(), page: [], told: [] };
      const ask = async (query, variables) => {
        const response = await fetch(world.server.endpoint, {
          method: 'POST', headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' }, body: JSON.stringify({ query, variables }),
        });
        const { data, errors } = await response.json();
        assert.equal(errors, undefined);
        list.page = data.responses.nodes.map(({ id }) => id);
        return data;
      };
      const listening = {
        subscribe: (payload, sink) => client.subscribe(payload, {
          ...sink,
          next(result) {
            list.told.push(result.data.feedbackReceived.responseId);
            sink.next(result);
          },
          error: (error) => list.inbox.fail(error),
        }),
      };
      await live(Page, Live, ask, listening, filter, () => true, (rows) => list.inbox.push(rows.map(({ comment }) => comment)));
      lists.push(list);
    }
    await recorded;
    await record(world.server, campaign, ['the last']);
    for (const { inbox, page, told } of lists) {
      const shown = (await inbox.until((items) => items.at(-1)?.includes('the last'))).at(-1);
      assert.equal(shown.length, page.length + told.length);
      assert.deepEqual(new Set(shown), new Set([...want, 'the last'].slice(-shown.length)));
      assert.equal(new Set([...page, ...told]).size, shown.length);
    }
  });
});
