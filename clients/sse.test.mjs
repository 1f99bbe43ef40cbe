// The distinct connections mode of graphql-sse (its PROTOCOL.md), by its client, by EventSource, and byte by byte.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { EventSource } from 'eventsource';
import { createClient } from 'graphql-sse';
import { Inbox } from './lib/inbox.mjs';
import { text } from './lib/operations.mjs';
import { Proxy } from './lib/proxy.mjs';
import { onEachDatabase } from './lib/server.mjs';
import { makeCampaign, makeKey, makeToken, record, texts } from './lib/tenant.mjs';

const viewer = '{ viewer { scopes } }';
const live = text('FeedbackReceived');

onEachDatabase('graphql-sse', { concurrency: 8 }, (world) => {
  before(async () => {
    world.campaign = await makeCampaign(world.server, 'Streams');
    world.collector = await makeKey(world.server, ['COLLECT']);
    world.token = await makeToken(world.server);
  });

  function connect(t, key = world.server.key, options = {}) {
    const client = createClient({
      url: world.server.endpoint,
      headers: key !== null ? { authorization: `Bearer ${key}` } : {},
      retryAttempts: 0,
      ...options,
    });
    t.after(() => client.dispose());
    return client;
  }

  async function results(client, payload) {
    const list = [];
    for await (const result of client.iterate(payload)) list.push(result);
    return list;
  }

  // post sends a request as the protocol has it, and returns the answer with its body unread.
  async function post(t, payload, headers = {}) {
    const cancel = new AbortController();
    t.after(() => cancel.abort());
    return fetch(world.server.endpoint, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'text/event-stream',
        authorization: `Bearer ${world.server.key}`,
        ...headers,
      },
      body: JSON.stringify(payload),
      signal: cancel.signal,
    });
  }

  const url = (endpoint, parameters) => `${endpoint}?${new URLSearchParams(parameters)}`;
  const comments = (list) => list.map(({ data }) => data.feedbackReceived.response.comment);

  // lines reads a stream line by line.
  function lines(response) {
    const inbox = new Inbox();
    (async () => {
      let rest = '';
      for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
        const parts = (rest + chunk).split('\n');
        rest = parts.pop();
        for (const part of parts) inbox.push(part);
      }
      inbox.push(null);
    })().catch((error) => inbox.fail(error));
    return inbox;
  }

  test('a query gives one result, then completes', async (t) => {
    const list = await results(connect(t), { query: viewer });
    assert.deepEqual(list.map(({ data }) => data), [{ viewer: { scopes: ['ADMIN'] } }]);
  });

  test('a mutation gives one result, then completes', async (t) => {
    const input = { campaign: world.campaign, score: 10, comment: 'Said over a stream' };
    const list = await results(connect(t), { query: text('RecordResponse'), variables: { input } });
    assert.deepEqual(list.map(({ data }) => data.recordResponse.response.comment), ['Said over a stream']);
  });

  test('a subscription gives its events, and completes when it is over', async (t) => {
    const campaign = await makeCampaign(world.server, 'A stream');
    const want = texts('event', 3);
    const variables = { filter: { campaigns: [campaign] }, after: '', limit: 3 };
    const running = results(connect(t), { query: live, variables });
    await record(world.server, campaign, want);
    assert.deepEqual(comments(await running), want);
  });

  test('errors before the execution come as an event of an accepted stream', async (t) => {
    for (const [query, variables] of [
      ['{ nothing }'],
      ['{ viewer { scopes }'],
      [live, { limit: 'many' }],
      [live, { after: 'no cursor' }],
      ['query A { viewer { scopes } } query B { viewer { scopes } }'],
    ]) {
      const response = await post(t, { query, variables });
      assert.equal(response.status, 200);
      assert.match(response.headers.get('content-type'), /^text\/event-stream(;|$)/);
      const list = await results(connect(t), { query, variables });
      assert.equal(list.length, 1);
      assert.equal(list[0].data, undefined);
      assert.equal(list[0].errors[0].extensions.code, 'BAD_REQUEST');
    }
  });

  test('errors of the execution come with the result', async (t) => {
    const query = `{ viewer { scopes } node(id: "${world.campaign}") { id } }`;
    const [{ data, errors }] = await results(connect(t, world.collector.secret), { query });
    assert.deepEqual(data, { viewer: { scopes: ['COLLECT'] }, node: null });
    assert.equal(errors[0].extensions.code, 'FORBIDDEN');
  });

  test('a subscription that the caller may not have is an error of an accepted stream', async (t) => {
    for (const [key, code] of [[null, 'UNAUTHENTICATED'], [world.collector.secret, 'FORBIDDEN']]) {
      const [{ errors }] = await results(connect(t, key), { query: live, variables: {} });
      assert.equal(errors[0].extensions.code, code);
    }
  });

  test('a key that lets nobody in is refused with 401', async (t) => {
    await assert.rejects(results(connect(t, 'z10_nobodys'), { query: viewer }), ({ response }) => response.status === 401);
  });

  test('a client that leaves ends its stream, and others go on', async (t) => {
    const campaign = await makeCampaign(world.server, 'Left');
    const payload = { query: live, variables: { filter: { campaigns: [campaign] }, after: '' } };
    const client = connect(t);
    const left = client.iterate(payload);
    const stays = client.iterate(payload);
    await record(world.server, campaign, ['before']);
    assert.equal((await left.next()).value.data.feedbackReceived.response.comment, 'before');
    await left.return();
    await record(world.server, campaign, ['after']);
    const heard = [await stays.next(), await stays.next()];
    assert.deepEqual(comments(heard.map(({ value }) => value)), ['before', 'after']);
    await stays.return();
  });

  test('single connection mode is refused clearly', async (t) => {
    const client = connect(t, world.server.key, { singleConnection: true });
    await assert.rejects(results(client, { query: viewer }), ({ response }) => response.status === 405);
  });

  test('the stream is written as browsers read it', async (t) => {
    const campaign = await makeCampaign(world.server, 'Lines');
    await record(world.server, campaign, texts('line\nand', 2));
    const response = await post(t, { query: live, variables: { filter: { campaigns: [campaign] }, after: '', limit: 2 } });
    assert.equal(response.status, 200);
    assert.match(response.headers.get('content-type'), /^text\/event-stream(;|$)/);
    assert.equal(response.headers.get('cache-control'), 'no-store');
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
    const all = (await lines(response).until((items) => items.includes(null))).slice(0, -1);
    const events = all.join('\n').split('\n\n').filter((part) => /^(event|data):/m.test(part));
    assert.equal(events.length, 3);
    for (const [i, event] of events.slice(0, 2).entries()) {
      const fields = event.split('\n').map((line) => /^(\w+): ?(.*)$/.exec(line).slice(1));
      assert.deepEqual(fields.map(([name]) => name).sort(), ['data', 'event', 'id']);
      const { event: name, id, data } = Object.fromEntries(fields);
      assert.equal(name, 'next');
      const result = JSON.parse(data);
      assert.equal(result.data.feedbackReceived.cursor, id);
      assert.equal(result.data.feedbackReceived.response.comment, `line\nand ${i + 1}`);
    }
    assert.match(events[2], /^event: complete\ndata: ?\n*$/); // without data, a browser passes over it
  });

  test('comments show that a quiet stream is alive', async (t) => {
    const campaign = await makeCampaign(world.server, 'Quiet');
    const variables = { filter: { campaigns: [campaign] }, after: '' };
    const inbox = lines(await post(t, { query: live, variables }));
    await record(world.server, campaign, ['the only one']);
    const all = await inbox.until((items) => items.some((line) => line?.startsWith('data:')));
    const heard = all.length;
    await inbox.until((items) => items.slice(heard).some((line) => line?.startsWith(':')));
  });

  test('a plain GET gives a stream, too, but runs no mutation', async () => {
    const headers = { accept: 'text/event-stream', authorization: `Bearer ${world.server.key}` };
    const query = await fetch(url(world.server.endpoint, { query: viewer }), { headers });
    assert.match(await query.text(), /event: next\ndata: .*"ADMIN".*\n\nevent: complete\ndata: ?\n\n$/);
    const campaign = await makeCampaign(world.server, 'By GET');
    const variables = JSON.stringify({ input: { campaign, score: 0 } });
    const mutation = await fetch(url(world.server.endpoint, { query: text('RecordResponse'), variables }), { headers });
    assert.equal(mutation.status, 405);
    const { responses } = await world.server.ask(text('Responses'), { filter: { campaigns: [campaign] } });
    assert.equal(responses.totalCount, 0);
  });

  test('a token in the URL is for event streams alone, and keys are none', async () => {
    for (const [accept, token, status] of [
      ['text/event-stream', world.token, 200],
      ['application/json', world.token, 401],
      ['text/event-stream', world.server.key, 401],
      ['text/event-stream', 'z10t_nobodys', 401],
    ]) {
      const response = await fetch(url(world.server.endpoint, { query: viewer, access_token: token }), { headers: { accept } });
      assert.equal(response.status, status);
      await response.body.cancel();
    }
  });

  // listen opens an EventSource with a token, as a page does, which can do no better.
  function listen(t, endpoint, variables) {
    const inbox = new Inbox();
    const opened = new Inbox();
    const source = new EventSource(url(endpoint, { query: live, variables: JSON.stringify(variables), access_token: world.token }));
    t.after(() => source.close());
    source.addEventListener('open', () => opened.push(true));
    source.addEventListener('next', ({ data, lastEventId }) => inbox.push({ ...JSON.parse(data), lastEventId }));
    source.addEventListener('complete', ({ data }) => {
      source.close();
      inbox.push({ complete: data });
    });
    return { inbox, opened, source };
  }

  test('EventSource hears next and complete', async (t) => {
    const campaign = await makeCampaign(world.server, 'EventSource');
    const want = texts('event', 3);
    const { inbox } = listen(t, world.server.endpoint, { filter: { campaigns: [campaign] }, after: '', limit: 3 });
    await record(world.server, campaign, want);
    const list = await inbox.until(4);
    assert.deepEqual(comments(list.slice(0, 3)), want);
    for (const { data, lastEventId } of list.slice(0, 3)) assert.equal(lastEventId, data.feedbackReceived.cursor);
    assert.deepEqual(list[3], { complete: '' });
  });

  test('EventSource hears of errors', async (t) => {
    const { inbox } = listen(t, world.server.endpoint, { after: 'no cursor' });
    const [{ errors }, end] = await inbox.until(2);
    assert.equal(errors[0].extensions.code, 'BAD_REQUEST');
    assert.deepEqual(end, { complete: '' });
  });

  test('EventSource comes back after the last event that it heard', async (t) => {
    const campaign = await makeCampaign(world.server, 'Cut');
    const proxy = await Proxy.to(world.server.port);
    t.after(() => proxy.cut());
    const { inbox, opened } = listen(t, proxy.endpoint, { filter: { campaigns: [campaign] }, after: '' });
    const want = [];
    for (let round = 1; round <= 3; round++) {
      const heard = texts(`heard in round ${round}`, 10);
      await record(world.server, campaign, heard);
      await inbox.until(want.push(...heard));
      await proxy.cut();
      const missed = texts(`missed in round ${round}`, 10);
      await record(world.server, campaign, missed);
      want.push(...missed);
      await proxy.mend();
      await opened.until(round + 1);
    }
    await record(world.server, campaign, ['the last']);
    want.push('the last');
    assert.deepEqual(comments(await inbox.until(want.length)), want);
  });

  test('Last-Event-ID comes before the variables, as a browser that comes back cannot change them', async (t) => {
    const campaign = await makeCampaign(world.server, 'Last-Event-ID');
    await record(world.server, campaign, texts('number', 4));
    const payload = { query: live, variables: { filter: { campaigns: [campaign] }, after: '', limit: 2 } };
    const all = await results(connect(t), payload);
    const cursor = all[1].data.feedbackReceived.cursor;
    const headers = { authorization: `Bearer ${world.server.key}`, 'last-event-id': cursor };
    const rest = await results(connect(t, world.server.key, { headers }), payload);
    assert.deepEqual(comments(rest), ['number 3', 'number 4']);
  });
});
