// The clients that people use: each runs a query, a mutation, and a subscription that loses its connection and resumes.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { Client as UrqlClient, fetchExchange, subscriptionExchange } from '@urql/core';
import { EventSource } from 'eventsource';
import { OperationTypeNode } from 'graphql';
import { GraphQLClient } from 'graphql-request';
import { createClient as createSseClient } from 'graphql-sse';
import { createClient as createWsClient } from 'graphql-ws';
import WebSocket from 'ws';
import { Inbox } from './lib/inbox.mjs';
import { document, text } from './lib/operations.mjs';
import { Proxy } from './lib/proxy.mjs';
import { resuming } from './lib/resuming.mjs';
import { onEachDatabase } from './lib/server.mjs';
import { makeCampaign, makeKey, makeToken, record, revokeKey, texts } from './lib/tenant.mjs';

const headers = (key) => ({ authorization: `Bearer ${key}` });
const soon = () => delay(50);

// sockets is a client of graphql-ws that comes back, except where its key lets it in no more.
const sockets = (endpoint, key, on) =>
  createWsClient({
    url: endpoint.replace('http', 'ws'),
    webSocketImpl: WebSocket,
    connectionParams: headers(key),
    retryAttempts: Infinity,
    retryWait: soon,
    shouldRetry: ({ code }) => code !== 4403,
    on,
  });

const streams = (endpoint, key) => createSseClient({ url: endpoint, headers: headers(key), retryAttempts: Infinity, retry: soon });

function apollo(endpoint, key) {
  const socket = sockets(endpoint, key);
  const client = new ApolloClient({
    link: ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      new GraphQLWsLink(resuming(socket)),
      new HttpLink({ uri: endpoint, headers: headers(key) }),
    ),
    cache: new InMemoryCache(),
  });
  return {
    query: async (name, variables) => (await client.query({ query: document(name), variables })).data,
    mutate: async (name, variables) => (await client.mutate({ mutation: document(name), variables })).data,
    subscribe(name, variables, inbox) {
      const subscription = client.subscribe({ query: document(name), variables, fetchPolicy: 'no-cache' }).subscribe({
        next: ({ data, error }) => (error ? inbox.fail(error) : inbox.push(data)),
        error: (error) => inbox.fail(error),
      });
      return () => subscription.unsubscribe();
    },
    close() {
      client.stop();
      return socket.dispose();
    },
  };
}

const urql = (connect) => (endpoint, key) => {
  const connection = connect(endpoint, key);
  const client = new UrqlClient({
    url: endpoint,
    fetchOptions: { headers: headers(key) },
    preferGetMethod: false,
    exchanges: [
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: (request) => ({
          subscribe: (sink) => ({ unsubscribe: resuming(connection).subscribe(request, sink) }),
        }),
      }),
    ],
  });
  const unwrap = ({ data, error }) => {
    if (error) throw error;
    return data;
  };
  return {
    query: async (name, variables) => unwrap(await client.query(document(name), variables).toPromise()),
    mutate: async (name, variables) => unwrap(await client.mutation(document(name), variables).toPromise()),
    subscribe(name, variables, inbox) {
      const { unsubscribe } = client
        .subscription(document(name), variables)
        .subscribe(({ data, error }) => (error ? inbox.fail(error) : inbox.push(data)));
      return unsubscribe;
    },
    close: () => connection.dispose(),
  };
};

// graphql-request has no subscriptions of its own: graphql-ws beside it has.
function graphqlRequest(endpoint, key) {
  const client = new GraphQLClient(endpoint, { headers: headers(key) });
  const socket = sockets(endpoint, key);
  return {
    query: (name, variables) => client.request(document(name), variables),
    mutate: (name, variables) => client.request(document(name), variables),
    subscribe: (name, variables, inbox) =>
      resuming(socket).subscribe(
        { query: text(name), variables },
        {
          next: ({ data, errors }) => (errors ? inbox.fail(new AggregateError(errors)) : inbox.push(data)),
          error: (error) => inbox.fail(error),
          complete: () => inbox.fail(new Error('the subscription completed')),
        },
      ),
    close: () => socket.dispose(),
  };
}

const clients = {
  'Apollo Client over graphql-ws': apollo,
  'urql over graphql-ws': urql(sockets),
  'urql over graphql-sse': urql(streams),
  'graphql-request and graphql-ws': graphqlRequest,
};

const comments = (items) => items.map(({ feedbackReceived }) => feedbackReceived.response.comment);

onEachDatabase('Clients', { concurrency: 8 }, (world) => {
  for (const [name, make] of Object.entries(clients)) {
    test(`${name}: a query and a mutation`, async (t) => {
      const campaign = await makeCampaign(world.server, name);
      const client = make(world.server.endpoint, world.server.key);
      t.after(() => client.close());
      const filter = { campaigns: [campaign] };
      const input = {
        campaign, score: 9, comment: 'Kind, and on time. 😀', channel: 'WIDGET', locale: 'pt-BR',
        contact: { externalId: name, email: `${name.replace(/\W/g, '')}@example.com`, traits: { household: 3, fibre: true } },
      };
      const { recordResponse } = await client.mutate('RecordResponse', { input });
      assert.deepEqual(recordResponse.userErrors, []);
      assert.equal(recordResponse.response.category, 'PROMOTER');
      const { responses } = await client.query('Responses', { filter });
      assert.deepEqual(JSON.parse(JSON.stringify(responses.nodes)), JSON.parse(JSON.stringify([recordResponse.response])));
      const { feedback } = await client.query('Score', { filter, interval: 'MONTH' });
      assert.equal(feedback.score.nps, 100);
      const refused = await client.mutate('RecordResponse', { input: { ...input, score: 11 } });
      assert.deepEqual(refused.recordResponse.userErrors.map(({ code }) => code), ['OUT_OF_RANGE']);
    });

    test(`${name}: a subscription, cut from outside, misses nothing`, async (t) => {
      const campaign = await makeCampaign(world.server, `${name}, cut`);
      const proxy = await Proxy.to(world.server.port);
      const client = make(proxy.endpoint, world.server.key);
      const inbox = new Inbox();
      const stop = client.subscribe('FeedbackReceived', { filter: { campaigns: [campaign] }, after: '' }, inbox);
      t.after(async () => {
        stop();
        await client.close();
        await proxy.cut();
      });
      const want = texts('answer', 200);
      for (let at = 0; at < want.length; at += 40) {
        const recorded = (async () => {
          for (let i = at; i < at + 40; i += 4) await record(world.server, campaign, want.slice(i, i + 4));
        })();
        await inbox.until(at + 10);
        await proxy.cut();
        await recorded;
        await proxy.mend();
        await inbox.until(at + 40);
      }
      await record(world.server, campaign, ['the last']);
      assert.deepEqual(comments(await inbox.until(want.length + 1)), [...want, 'the last']);
    });
  }

  test('scoreChanged tells the score at once, and when it changes', async (t) => {
    const campaign = await makeCampaign(world.server, 'A score');
    const client = apollo(world.server.endpoint, world.server.key);
    const inbox = new Inbox();
    const stop = client.subscribe('ScoreChanged', { filter: { campaigns: [campaign] } }, inbox);
    t.after(async () => {
      stop();
      await client.close();
    });
    const [{ scoreChanged }] = await inbox.until(1);
    assert.deepEqual([scoreChanged.nps, scoreChanged.responses], [null, 0]);
    await record(world.server, campaign, texts('counted', 3));
    await inbox.until((items) => items.at(-1).scoreChanged.responses === 3);
  });

  test('a key that is revoked ends its socket with 4403, and its stream with an error', async (t) => {
    const campaign = await makeCampaign(world.server, 'Revoked');
    const key = await makeKey(world.server, ['READ']);
    const closed = new Inbox();
    const socket = sockets(world.server.endpoint, key.secret, { closed: (event) => closed.push(event) });
    const stream = streams(world.server.endpoint, key.secret);
    t.after(() => Promise.all([socket.dispose(), stream.dispose()]));
    const payload = { query: text('FeedbackReceived'), variables: { filter: { campaigns: [campaign] }, after: '' } };
    const heard = [new Inbox(), new Inbox()];
    for (const [i, client] of [socket, stream].entries()) {
      client.subscribe(payload, {
        next: ({ data, errors }) => heard[i].push(errors ? { code: errors[0].extensions.code } : data),
        error: () => heard[i].push({ over: true }),
        complete: () => heard[i].push({ over: true }),
      });
    }
    await record(world.server, campaign, ['before']);
    await Promise.all(heard.map((inbox) => inbox.until(1)));
    await revokeKey(world.server, key.id);
    const [{ code, reason }] = await closed.until(1);
    assert.equal(code, 4403);
    assert.ok(reason.length > 0);
    for (const inbox of heard) await inbox.until((items) => items.at(-1).over);
    await record(world.server, campaign, ['after']);
    assert.deepEqual(comments(heard[0].items.slice(0, -1)), ['before']);
    assert.deepEqual(comments(heard[1].items.slice(0, 1)), ['before']);
    assert.deepEqual(heard[1].items.slice(1), [{ code: 'FORBIDDEN' }, { over: true }]);
    assert.equal(closed.items.length, 1);
  });
});

onEachDatabase('Clients of a server that is stopped and started', {}, (world) => {
  before(async () => {
    world.campaign = await makeCampaign(world.server, 'Restarts');
    world.token = await makeToken(world.server);
  });

  test('graphql-ws, graphql-sse and EventSource come back, and miss nothing', async (t) => {
    const { server, campaign } = world;
    const query = text('FeedbackReceived');
    const variables = { filter: { campaigns: [campaign] }, after: '' };
    const closed = new Inbox();
    const socket = sockets(server.endpoint, server.key, { closed: (event) => closed.push(event.code) });
    const stream = streams(server.endpoint, server.key);
    const parameters = new URLSearchParams({ query, variables: JSON.stringify(variables), access_token: world.token });
    const source = new EventSource(`${server.endpoint}?${parameters}`);
    t.after(() => {
      source.close();
      return Promise.all([socket.dispose(), stream.dispose()]);
    });
    const inboxes = [new Inbox(), new Inbox(), new Inbox()];
    for (const [i, client] of [socket, stream].entries()) {
      resuming(client).subscribe(
        { query, variables },
        {
          next: ({ data, errors }) => (errors ? inboxes[i].fail(new AggregateError(errors)) : inboxes[i].push(data)),
          error: (error) => inboxes[i].fail(error),
          complete: () => inboxes[i].fail(new Error('it completed')),
        },
      );
    }
    source.addEventListener('next', ({ data }) => inboxes[2].push(JSON.parse(data).data));
    source.addEventListener('complete', () => inboxes[2].fail(new Error('it completed')));

    const want = [];
    for (let round = 1; round <= 2; round++) {
      await record(server, campaign, texts(`before stop ${round}`, 20));
      want.push(...texts(`before stop ${round}`, 20));
      await Promise.all(inboxes.map((inbox) => inbox.until(want.length)));
      const closes = closed.items.length;
      await server.stop();
      const codes = await closed.until(closes + 1);
      assert.ok([1001, 1012].includes(codes[closes]), `the socket was closed with ${codes[closes]}`);
      await server.start();
      await record(server, campaign, texts(`after start ${round}`, 20));
      want.push(...texts(`after start ${round}`, 20));
      await Promise.all(inboxes.map((inbox) => inbox.until(want.length)));
    }
    await record(server, campaign, ['the last']);
    want.push('the last');
    for (const inbox of inboxes) assert.deepEqual(comments(await inbox.until(want.length)), want);
  });
});
