// What a tenant has, made through the API.

// makeCampaign makes a campaign, and returns its id.
export async function makeCampaign(server, name) {
  const { createCampaign } = await server.ask(
    `mutation ($name: String!) { createCampaign(input: { name: $name }) { campaign { id } userErrors { message } } }`,
    { name },
  );
  return createCampaign.campaign.id;
}

// makeSegment makes the dimension `plan` and a segment of those whose plan is gold. It returns the segment's id.
export async function makeSegment(server) {
  await server.ask(`mutation { defineTrait(input: { key: "plan", kind: TEXT }) { userErrors { message } } }`);
  for (let rebuilding = true; rebuilding; ) {
    const { traits } = await server.ask('{ traits { key rebuild { done } } }');
    rebuilding = traits.some(({ rebuild }) => rebuild);
  }
  const { createSegment } = await server.ask(`mutation {
    createSegment(input: { name: "Gold", rule: { trait: { key: "plan", in: ["gold"] } } }) { segment { id } userErrors { message } }
  }`);
  return createSegment.segment.id;
}

// makeKey makes a key, and returns its id and its secret.
export async function makeKey(server, scopes) {
  const { createApiKey } = await server.ask(
    `mutation ($scopes: [Scope!]!) {
      createApiKey(input: { name: "A test's", scopes: $scopes }) { apiKey { id } secret userErrors { message } }
    }`,
    { scopes },
  );
  return { id: createApiKey.apiKey.id, secret: createApiKey.secret };
}

export async function revokeKey(server, id) {
  await server.ask(`mutation ($id: ID!) { revokeApiKey(input: { id: $id }) { userErrors { message } } }`, { id });
}

// makeToken makes an access token that may read, narrowed where the input says so.
export async function makeToken(server, input = {}) {
  const { createAccessToken } = await server.ask(
    `mutation ($input: CreateAccessTokenInput!) { createAccessToken(input: $input) { token userErrors { message } } }`,
    { input: { scopes: ['READ'], ...input } },
  );
  return createAccessToken.token;
}

// record records a response for each comment, in their order, and returns their ids.
export async function record(server, campaign, comments, traits) {
  const { recordResponses } = await server.ask(
    `mutation ($input: RecordResponsesInput!) { recordResponses(input: $input) { responses { id } userErrors { message } } }`,
    { input: { responses: comments.map((comment, i) => ({ campaign, score: (i * 7) % 11, comment, traits })) } },
  );
  return recordResponses.responses.map(({ id }) => id);
}

// texts is so many different comments.
export function texts(prefix, count) {
  return Array.from({ length: count }, (_, i) => `${prefix} ${i + 1}`);
}
