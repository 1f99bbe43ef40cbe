// resuming makes a client of graphql-ws or graphql-sse take each subscription to feedbackReceived up after the last event
// that it gave: both send the same request again when they connect again, and its variables are changed here.
export function resuming(client) {
  return {
    ...client,
    subscribe(request, sink) {
      const variables = { ...request.variables };
      const next = (result) => {
        variables.after = result.data?.feedbackReceived?.cursor ?? variables.after;
        sink.next(result);
      };
      return client.subscribe({ ...request, variables }, { next, error: sink.error.bind(sink), complete: sink.complete.bind(sink) });
    },
  };
}
