// Compiles only if the generated types say of the API what it says of itself. Nothing here runs.
import { ApolloClient } from '@apollo/client';
import { Client } from '@urql/core';
import { GraphQLClient } from 'graphql-request';
import { useFragment as read } from './generated/fragment-masking';
import {
  CreateSegmentDocument, FeedbackReceivedDocument, NodeDocument, RecordResponseDocument, ResponsePartsFragmentDoc, ResponsesDocument,
  ScoreDocument, ScorePartsFragmentDoc,
} from './generated/graphql';

declare const apollo: ApolloClient;
declare const urql: Client;
declare const request: GraphQLClient;

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const holds = <_T extends true>() => undefined;

export async function queries() {
  const { feedback } = await request.request(ScoreDocument, { interval: 'MONTH', filter: { last: { count: 12, unit: 'MONTH' } } });
  const score = read(ScorePartsFragmentDoc, feedback.score);
  holds<Same<typeof score.nps, number | null>>();
  holds<Same<typeof score.histogram, Array<number>>>();
  for (const { start } of feedback.trend) holds<Same<typeof start, string>>();

  const { data } = await urql.query(ResponsesDocument, { first: 10, filter: { categories: ['DETRACTOR'], hasComment: true } });
  for (const node of data?.responses.nodes ?? []) {
    const response = read(ResponsePartsFragmentDoc, node);
    holds<Same<typeof response.id, string>>();
    holds<Same<typeof response.comment, string | null>>();
    holds<Same<typeof response.category, 'PROMOTER' | 'PASSIVE' | 'DETRACTOR'>>();
    holds<Same<typeof response.traits, Readonly<Record<string, string | number | boolean>>>>();
  }

  const { data: found } = await apollo.query({ query: NodeDocument, variables: { id: 'camp_1' } });
  const node = found?.node;
  if (node?.__typename === 'Campaign') holds<Same<typeof node.status, 'ACTIVE' | 'PAUSED' | 'CLOSED'>>();
}

export async function mutations() {
  const { recordResponse } = await request.request(RecordResponseDocument, {
    input: { campaign: 'camp_1', score: 9, contact: { email: 'robin@example.com' }, traits: { household: 3, fibre: true } },
  });
  if (recordResponse.response) read(ResponsePartsFragmentDoc, recordResponse.response).score.toFixed();

  await urql.mutation(CreateSegmentDocument, { input: { name: 'Gold', rule: { trait: { key: 'plan', in: ['gold'] } } } });

  // @ts-expect-error A response needs a campaign.
  await request.request(RecordResponseDocument, { input: { score: 9 } });
  // @ts-expect-error A score is a number.
  await request.request(RecordResponseDocument, { input: { campaign: 'camp_1', score: '9' } });
  // @ts-expect-error There is no such channel.
  await request.request(RecordResponseDocument, { input: { campaign: 'camp_1', score: 9, channel: 'PIGEON' } });
  // @ts-expect-error A rule is exactly one of its kinds.
  await urql.mutation(CreateSegmentDocument, { input: { name: 'Gold', rule: { trait: { key: 'plan' }, any: [] } } });
  // @ts-expect-error Traits are no lists.
  await request.request(RecordResponseDocument, { input: { campaign: 'camp_1', score: 9, traits: { plan: ['gold'] } } });
}

export function subscriptions() {
  apollo.subscribe({ query: FeedbackReceivedDocument, variables: { after: '' } }).subscribe(({ data }) => {
    if (!data) return;
    holds<Same<typeof data.feedbackReceived.cursor, string>>();
    holds<Same<typeof data.feedbackReceived.kind, 'RECORDED' | 'AMENDED' | 'DELETED'>>();
    holds<Same<typeof data.feedbackReceived.at, string>>();
    data.feedbackReceived.response?.score.toFixed();
    // @ts-expect-error A response that was deleted is not there.
    data.feedbackReceived.response.score.toFixed();
  });
}
