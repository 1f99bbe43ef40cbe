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
  const name = 'A live list without a gap';
  const { Page, Live } = Object.fromEntries(Object.entries(separateOperations(parse(blocks(name, 'graphql').join('\n')))).map(([of, doc]) => [of, print(doc)]));
  const [code] = blocks(name, 'js');
  const live = new AsyncFunction('Page', 'Live', 'ask', 'client', 'filter', 'belongs', 'show', code);

  // listen shows a list as the recipe does: page is what it began with, told what it was told since, and inbox gets the
  // comments that are shown, each time.
  async function listen(t, key, filter, belongs = () => true) {
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
    await live(Page, Live, ask, listening, filter, belongs, (rows) => list.inbox.push(rows.map(({ comment }) => comment)));
    return list;
  }

  // shownAt is what a list shows once it shows the comment.
  const shownAt = async ({ inbox }, comment) => (await inbox.until((items) => items.at(-1)?.includes(comment))).at(-1);
  const comments = async (filter) => (await world.server.ask(Page, { filter })).responses.nodes.map(({ comment }) => comment);

  test('a live list without a gap: all that is recorded meanwhile is shown, and nothing is told twice', async (t) => {
    const campaign = await makeCampaign(world.server, name);
    const filter = { campaigns: [campaign] };
    const narrowed = await makeToken(world.server, { campaigns: [campaign] });
    const want = texts('listed', 90);
    const recorded = (async () => {
      for (let i = 0; i < want.length; i += 3) await record(world.server, campaign, want.slice(i, i + 3));
    })();
    const lists = [];
    for (let i = 0; i < 6; i++) lists.push(await listen(t, i % 2 ? narrowed : world.server.key, filter));
    await recorded;
    await record(world.server, campaign, ['the last']);
    for (const list of lists) {
      const shown = await shownAt(list, 'the last');
      const all = list.page.length + list.told.length;
      assert.equal(shown.length, Math.min(all, 20));
      assert.deepEqual(shown, (await comments(filter)).slice(0, shown.length));
      assert.equal(new Set([...list.page, ...list.told]).size, all);
    }
  });

  test('a live list without a gap: what has its place on another page is not among the rows', async (t) => {
    const campaign = await makeCampaign(world.server, `${name}, of some age`);
    const filter = { campaigns: [campaign], scores: [0, 1, 2, 3, 4, 5, 6] };
    const at = (minutes, fraction = '') => `${new Date(Date.UTC(2025, 0, 1, 0, minutes)).toISOString().slice(0, 19)}${fraction}Z`;
    const recordAt = async (...responses) => {
      const { recordResponses } = await world.server.ask(
        `mutation ($input: RecordResponsesInput!) { recordResponses(input: $input) { responses { id } userErrors { message } } }`,
        { input: { responses: responses.map(([comment, respondedAt, score = 3]) => ({ campaign, comment, respondedAt, score })) } },
      );
      return recordResponses.responses.map(({ id }) => id);
    };
    const amend = (id, input) => world.server.ask(
      `mutation ($input: AmendResponseInput!) { amendResponse(input: $input) { userErrors { message } } }`, { input: { id, ...input } },
    );
    // 30 of them, of which 10 are on the second page.
    const ids = await recordAt(...texts('minute', 30).map((comment, i) => [comment, at(i)]));
    const list = await listen(t, world.server.key, filter, ({ score }) => score <= 6);
    await amend(ids[2], { comment: 'amended on the second page' });
    await amend(ids[10], { comment: 'amended, and the last of the first page' });
    await amend(ids[20], { score: 9 });
    await world.server.ask(`mutation ($id: ID!) { deleteResponse(input: { id: $id }) { userErrors { message } } }`, { id: ids[12] });
    await recordAt(['of the year before', '2024-01-01T00:00:00Z'], ['a moment after', at(25, '.5')], ['a moment later', at(25, '.25')], ['at once', at(25)]);
    await recordAt(['the last', at(40)]);
    const shown = await shownAt(list, 'the last');
    assert.equal(shown.length, 20);
    assert.deepEqual(shown, await comments(filter));
    // Some that are deleted leave room, which only the next page can fill.
    for (const id of ids.slice(26)) await world.server.ask(`mutation ($id: ID!) { deleteResponse(input: { id: $id }) { userErrors { message } } }`, { id });
    await recordAt(['before the page', at(3, '.5')], ['the very last', at(41)]);
    const fewer = await shownAt(list, 'the very last');
    assert.equal(fewer.length, 17);
    assert.deepEqual(fewer, (await comments(filter)).slice(0, 17));
  });
});
