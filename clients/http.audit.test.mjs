// GraphQL over HTTP, by the audits of graphql-http.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serverAudits } from 'graphql-http';
import { onEachDatabase } from './lib/server.mjs';

const audits = (url, fetchFn) => serverAudits({ url, fetchFn });

onEachDatabase('GraphQL over HTTP', {}, (world) => {
  test('there are 61 audits', () => assert.equal(audits('').length, 61));

  for (const [who, headers] of [
    ['anybody', () => ({})],
    ['the holder of a key', () => ({ authorization: `Bearer ${world.server.key}` })],
  ]) {
    for (const [i, { id, name }] of audits('').entries()) {
      test(`${id} ${name}, for ${who}`, async () => {
        const withKey = (url, init) => fetch(url, { ...init, headers: { ...init?.headers, ...headers() } });
        const result = await audits(world.server.endpoint, withKey)[i].fn();
        assert.equal(result.status, 'ok', result.reason);
      });
    }
  }
});
