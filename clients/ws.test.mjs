// The protocol graphql-transport-ws (PROTOCOL.md of graphql-ws), by the client of graphql-ws, and by a bare WebSocket for
// what a good client never does.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { Inbox, withResolvers } from './lib/inbox.mjs';
import { text } from './lib/operations.mjs';
import { onEachDatabase } from './lib/server.mjs';
import { Socket } from './lib/socket.mjs';
import { makeCampaign, makeKey, record, revokeKey, texts } from './lib/tenant.mjs';

const viewer = '{ viewer { scopes } }';
const live = text('FeedbackReceived');

onEachDatabase('graphql-transport-ws', { concurrency: 8 }, (world) => {
  before(async () => {
    world.campaign = await makeCampaign(world.server, 'Sockets');
    world.collector = await makeKey(world.server, ['COLLECT']);
  });

  // connect makes a client of graphql-ws that notes what happens to its socket, and never tries again.
  function connect(t, { key = world.server.key, ...options } = {}) {
    const events = {};
    const note = (name) => [name, (...args) => events[name].push(args)];
    for (const name of ['connected', 'ping', 'pong', 'message', 'closed']) events[name] = new Inbox();
    const client = createClient({
      url: world.server.endpoint.replace('http', 'ws'),
      webSocketImpl: WebSocket,
      connectionParams: key === null ? undefined : { authorization: `Bearer ${key}` },
      retryAttempts: 0,
      on: Object.fromEntries(Object.keys(events).map(note)),
      ...options,
    });
    t.after(() => client.dispose());
    return { client, events };
  }

  async function results(client, payload) {
    const list = [];
    for await (const result of client.iterate(payload)) list.push(result);
    return list;
  }

  // collect runs a subscription whose events go into an inbox.
  function collect(client, payload) {
    const inbox = new Inbox();
    const completed = withResolvers();
    const dispose = client.subscribe(payload, {
      next: (result) => inbox.push(result),
      error: (error) => inbox.fail(error),
      complete: completed.resolve,
    });
    return { inbox, dispose, completed: completed.promise };
  }

  const comments = (list) => list.map(({ data }) => data.feedbackReceived.response.comment);

  async function open(t, options = {}) {
    const socket = await Socket.open(world.server.endpoint, { key: world.server.key, ...options });
    t.after(() => socket.ws.terminate());
    return socket;
  }

  test('the sub-protocol is agreed on, and the connection acknowledged', async (t) => {
    const { client, events } = connect(t);
    await results(client, { query: viewer });
    const [[socket, payload]] = await events.connected.until(1);
    assert.equal(socket.protocol, 'graphql-transport-ws');
    assert.ok(payload === undefined || typeof payload === 'object');
    const [[first]] = events.message.items;
    assert.equal(first.type, 'connection_ack');
  });

  test('a query gives one result, then completes', async (t) => {
    const { client } = connect(t);
    const list = await results(client, { query: viewer });
    assert.deepEqual(list.map(({ data, errors }) => ({ data, errors })), [{ data: { viewer: { scopes: ['ADMIN'] } }, errors: undefined }]);
  });

  test('a mutation gives one result, then completes', async (t) => {
    const { client } = connect(t);
    const input = { campaign: world.campaign, score: 9, comment: 'Said over a socket' };
    const [{ data }] = await results(client, { query: text('RecordResponse'), variables: { input } });
    assert.equal(data.recordResponse.response.comment, 'Said over a socket');
    const { node } = await world.server.ask(text('Node'), { id: data.recordResponse.response.id });
    assert.equal(node.comment, 'Said over a socket');
  });

  test('operationName chooses among the operations of a document, null stands for none', async (t) => {
    const { client } = connect(t);
    const query = 'query A { a: viewer { scopes } } query B { b: viewer { scopes } }';
    assert.deepEqual(Object.keys((await results(client, { query, operationName: 'B' }))[0].data), ['b']);
    assert.deepEqual(Object.keys((await results(client, { query: viewer, operationName: null, variables: null }))[0].data), ['viewer']);
  });

  test('a subscription gives its events, and completes when it is over', async (t) => {
    const { client } = connect(t);
    const campaign = await makeCampaign(world.server, 'A subscription');
    const want = texts('event', 3);
    const variables = { filter: { campaigns: [campaign] }, after: '', limit: 3 };
    const { inbox, completed } = collect(client, { query: live, variables });
    await record(world.server, campaign, want);
    await completed;
    assert.deepEqual(comments(inbox.items), want);
  });

  test('many operations share a socket, and each hears its own', async (t) => {
    const { client, events } = connect(t);
    const campaigns = await Promise.all(['One', 'Two', 'Three'].map((name) => makeCampaign(world.server, `Shared ${name}`)));
    const subscriptions = campaigns.map((campaign) =>
      collect(client, { query: live, variables: { filter: { campaigns: [campaign] }, after: '', limit: 5 } }),
    );
    await Promise.all(campaigns.map((campaign, i) => record(world.server, campaign, texts(`to ${i}`, 5))));
    for (const [i, { inbox, completed }] of subscriptions.entries()) {
      await completed;
      assert.deepEqual(comments(inbox.items), texts(`to ${i}`, 5));
    }
    assert.equal(events.connected.items.length, 1);
  });

  test('errors before the execution are an error message, and the socket goes on', async (t) => {
    const { client, events } = connect(t);
    for (const [query, variables] of [
      ['{ nothing }'],
      ['{ viewer { scopes }'],
      [live, { limit: 'many' }],
      [live, { after: 'no cursor' }],
      ['query A { viewer { scopes } } query B { viewer { scopes } }'],
    ]) {
      const { inbox } = collect(client, { query, variables });
      const failure = await inbox.until(1).then(assert.fail, (error) => error.cause);
      assert.ok(Array.isArray(failure) && failure.length > 0, `${query} fails with ${failure}`);
      for (const { message, extensions } of failure) {
        assert.equal(typeof message, 'string');
        assert.equal(extensions.code, 'BAD_REQUEST');
      }
    }
    assert.equal((await results(client, { query: viewer })).length, 1);
    for (const [message] of events.message.items) {
      if (message.type === 'error') assert.ok(message.payload.length > 0);
    }
  });

  test('errors of the execution come with the result', async (t) => {
    const { client } = connect(t, { key: world.collector.secret });
    const [{ data, errors }] = await results(client, { query: `{ viewer { scopes } node(id: "${world.campaign}") { id } }` });
    assert.deepEqual(data, { viewer: { scopes: ['COLLECT'] }, node: null });
    assert.deepEqual(errors.map(({ path, extensions }) => [path, extensions.code]), [[['node'], 'FORBIDDEN']]);
  });

  test('nothing more comes for an operation that the client completed; others go on', async (t) => {
    const { client, events } = connect(t);
    const campaign = await makeCampaign(world.server, 'Completed');
    const payload = { query: live, variables: { filter: { campaigns: [campaign] }, after: '' } };
    const ended = collect(client, payload);
    const going = collect(client, payload);
    await record(world.server, campaign, ['before']);
    await Promise.all([ended.inbox.until(1), going.inbox.until(1)]);
    ended.dispose();
    await ended.completed;
    await results(client, { query: viewer }); // answered after the server has read the complete
    const heard = events.message.items.length;
    await record(world.server, campaign, ['after']);
    assert.deepEqual(comments(await going.inbox.until(2)), ['before', 'after']);
    assert.deepEqual(comments(ended.inbox.items), ['before']);
    const later = events.message.items.slice(heard).filter(([{ type }]) => type === 'next');
    assert.equal(later.length, 1);
  });

  test('the client’s pings are answered', async (t) => {
    const { client, events } = connect(t, { keepAlive: 20 });
    collect(client, { query: live, variables: {} });
    await events.pong.until((pongs) => pongs.filter(([received]) => received).length >= 3);
  });

  test('the server pings, and takes the client’s pong', async (t) => {
    const { client, events } = connect(t);
    collect(client, { query: live, variables: {} });
    await events.ping.until((pings) => pings.some(([received]) => received));
    await events.pong.until((pongs) => pongs.some(([received]) => !received));
    assert.equal((await results(client, { query: viewer })).length, 1);
  });

  test('a client that leaves closes with 1000', async (t) => {
    const { client, events } = connect(t);
    const { inbox } = collect(client, { query: live, variables: { after: '', filter: { campaigns: [world.campaign] } } });
    await record(world.server, world.campaign, ['heard']);
    await inbox.until(1);
    client.dispose();
    const [[{ code, wasClean }]] = await events.closed.until(1);
    assert.equal(code, 1000);
    assert.ok(wasClean);
  });

  test('a client with no key is acknowledged, and may not subscribe', async (t) => {
    const { client, events } = connect(t, { key: null });
    const { inbox } = collect(client, { query: live, variables: {} });
    const [{ extensions }] = await inbox.until(1).then(assert.fail, (error) => error.cause);
    assert.equal(extensions.code, 'UNAUTHENTICATED');
    assert.equal(events.connected.items.length, 1);
  });

  test('a key that lets nobody in is refused with 4403', async (t) => {
    const revoked = await makeKey(world.server, ['READ']);
    await revokeKey(world.server, revoked.id);
    const unknown = /^This needs a valid API key, sent as `Authorization: Bearer …`\.$/;
    const ended = /^This key was revoked on \d+ \w+ \d{4} at [\d:]{8} UTC\.$/; // its holder is told
    for (const [key, want] of [['z10_nobodys', unknown], ['z10t_nobodys', unknown], [revoked.secret, ended]]) {
      const { client, events } = connect(t, { key });
      const { inbox } = collect(client, { query: viewer });
      await assert.rejects(inbox.until(1));
      const [[{ code, reason }]] = await events.closed.until(1);
      assert.equal(code, 4403);
      assert.match(reason, want);
      assert.equal(events.connected.items.length, 0);
    }
  });

  // What follows is said by a bare socket.

  for (const [what, protocol] of [['no sub-protocol', []], ['another sub-protocol', 'graphql-ws']]) {
    test(`${what} is refused with 4406`, async (t) => {
      const socket = await open(t, { protocol, key: undefined });
      assert.equal((await socket.closed).code, 4406);
      assert.equal(socket.messages.items.length, 0);
    });
  }

  test('a client that does not ask to be let in is closed with 4408', async (t) => {
    const socket = await open(t, { key: undefined });
    assert.deepEqual(await socket.closed, { code: 4408, reason: 'Connection initialisation timeout' });
  });

  test('a client may ask to be let in once, else 4429', async (t) => {
    const early = await open(t, { key: undefined });
    early.send({ type: 'connection_init' });
    early.send({ type: 'connection_init' });
    const late = await open(t);
    late.send({ type: 'connection_init' });
    for (const socket of [early, late]) {
      assert.deepEqual(await socket.closed, { code: 4429, reason: 'Too many initialisation requests' });
    }
  });

  test('an operation before the acknowledgement is refused with 4401', async (t) => {
    const socket = await open(t, { key: undefined });
    socket.subscribe('1', viewer);
    assert.deepEqual(await socket.closed, { code: 4401, reason: 'Unauthorized' });
    assert.equal(socket.messages.items.length, 0);
  });

  for (const [what, payload] of [['no payload', {}], ['null', { payload: null }], ['an object', { payload: { other: 1 } }]]) {
    test(`connection_init with ${what} is acknowledged`, async (t) => {
      const socket = await open(t, { key: undefined });
      socket.send({ type: 'connection_init', ...payload });
      await socket.next('connection_ack');
    });
  }

  test('pings may come at any time, with a payload or without', async (t) => {
    const socket = await open(t, { key: undefined });
    for (const payload of [{}, { payload: null }, { payload: { at: 1 } }]) {
      socket.send({ type: 'ping', ...payload });
      await socket.next('pong');
    }
    socket.send({ type: 'connection_init' });
    await socket.next('connection_ack');
    await socket.settled();
  });

  test('pongs may come unasked', async (t) => {
    const socket = await open(t, { key: undefined });
    for (const payload of [{}, { payload: null }, { payload: { at: 1 } }]) socket.send({ type: 'pong', ...payload });
    await socket.settled();
  });

  test('an id that is taken is refused with 4409, whatever has it and whatever wants it', async (t) => {
    for (const [first, second] of [[live, live], [live, viewer]]) {
      const socket = await open(t);
      socket.subscribe('my id', first);
      socket.subscribe('my id', second);
      assert.deepEqual(await socket.closed, { code: 4409, reason: 'Subscriber for my id already exists' });
    }
  });

  test('an id is free again once its operation is over', async (t) => {
    const socket = await open(t);
    const id = 'Ä"\\\n😀';
    for (let i = 0; i < 3; i++) {
      socket.subscribe(id, viewer);
      assert.equal((await socket.next('next')).id, id);
      assert.equal((await socket.next('complete')).id, id);
      socket.subscribe(id, '{ nothing }');
      assert.equal((await socket.next('error')).id, id);
      socket.subscribe(id, live);
      socket.send({ id, type: 'complete' });
    }
    await socket.settled();
  });

  test('no complete follows an error', async (t) => {
    const socket = await open(t);
    for (const query of ['{ nothing }', 'subscription { nothing }', 'subscription { feedbackReceived(after: "?") { cursor } }']) {
      socket.subscribe('1', query);
      await socket.next('error');
      await socket.settled();
    }
    socket.subscribe('1', viewer);
    assert.ok((await socket.next('next')).payload.data);
    await socket.next('complete');
  });

  test('the completion of what is over, or never was, is passed over', async (t) => {
    const socket = await open(t);
    socket.send({ id: 'never', type: 'complete' });
    socket.subscribe('1', viewer);
    await socket.next('next');
    await socket.next('complete');
    socket.send({ id: '1', type: 'complete' });
    await socket.settled();
  });

  test('messages have what the protocol says, and nothing else', async (t) => {
    const socket = await open(t);
    socket.subscribe('1', viewer);
    const next = await socket.next('next');
    assert.deepEqual(Object.keys(next).sort(), ['id', 'payload', 'type']);
    assert.deepEqual(Object.keys(next.payload).filter((name) => !['data', 'extensions'].includes(name)), []);
    assert.deepEqual(await socket.next('complete'), { id: '1', type: 'complete' });
    socket.subscribe('2', '{ nothing }');
    const error = await socket.next('error');
    assert.deepEqual(Object.keys(error).sort(), ['id', 'payload', 'type']);
    assert.ok(Array.isArray(error.payload));
  });

  test('one socket may run 50 operations at once', async (t) => {
    const quiet = { filter: { campaigns: [await makeCampaign(world.server, 'Fifty')] } };
    const socket = await open(t);
    for (let i = 1; i <= 51; i++) socket.subscribe(String(i), live, quiet);
    const { id, payload } = await socket.next('error');
    assert.equal(id, '51');
    assert.equal(payload[0].extensions.code, 'RATE_LIMITED');
    socket.send({ id: '1', type: 'complete' });
    socket.subscribe('51', viewer);
    assert.equal((await socket.next('next')).id, '51');
  });

  const subscribe = { id: '1', type: 'subscribe', payload: { query: viewer } };
  const changed = (changes) => ({ ...subscribe, payload: { ...subscribe.payload, ...changes } });
  for (const [what, message] of [
    ['what is no JSON', 'hello'],
    ['nothing', ''],
    ['what follows a message', '{"type":"ping"}{"type":"ping"}'],
    ['null', 'null'],
    ['a text', '"ping"'],
    ['a number', '1'],
    ['a list', '[{"type":"ping"}]'],
    ['a message without a type', { id: '1' }],
    ['a type that is no text', { type: 1 }],
    ['an unknown type', { type: 'start', id: '1', payload: { query: viewer } }],
    ['a type in capitals', { type: 'PING' }],
    ['connection_ack, which servers send', { type: 'connection_ack' }],
    ['next, which servers send', { type: 'next', id: '1', payload: { data: null } }],
    ['error, which servers send', { type: 'error', id: '1', payload: [{ message: 'No' }] }],
    ['connection_init with a text', { type: 'connection_init', payload: 'me' }],
    ['connection_init with a list', { type: 'connection_init', payload: [] }],
    ['connection_init with a number', { type: 'connection_init', payload: 1 }],
    ['ping with a text', { type: 'ping', payload: 'now' }],
    ['ping with a list', { type: 'ping', payload: [1] }],
    ['pong with a number', { type: 'pong', payload: 1 }],
    ['subscribe without an id', { type: 'subscribe', payload: { query: viewer } }],
    ['subscribe with an empty id', { ...subscribe, id: '' }],
    ['subscribe with a number for an id', { ...subscribe, id: 1 }],
    ['subscribe without a payload', { id: '1', type: 'subscribe' }],
    ['subscribe with null', { ...subscribe, payload: null }],
    ['subscribe with a text', { ...subscribe, payload: viewer }],
    ['subscribe with a list', { ...subscribe, payload: [] }],
    ['subscribe with a query that is no text', changed({ query: 1 })],
    ['subscribe with variables that are a list', changed({ variables: [] })],
    ['subscribe with variables that are a text', changed({ variables: '{}' })],
    ['subscribe with an operationName that is no text', changed({ operationName: 1 })],
    ['subscribe with extensions that are a text', changed({ extensions: 'none' })],
    ['complete without an id', { type: 'complete' }],
    ['complete with a number for an id', { type: 'complete', id: 1 }],
    ['a message that is not text', Buffer.from('{"type":"ping"}')],
  ]) {
    test(`${what} is refused with 4400`, async (t) => {
      const key = message.type === 'connection_init' ? undefined : world.server.key;
      const socket = await open(t, { key });
      socket.send(message);
      const { code, reason } = await socket.closed;
      assert.equal(code, 4400);
      assert.ok(reason.length > 0);
      assert.ok(!['hello', 'start', 'viewer'].some((word) => reason.includes(word)), `it repeats what was sent: ${reason}`);
    });
  }
});
