// How the page asks: queries and mutations over HTTP, subscriptions over a WebSocket, and where there are none to be had,
// as behind some proxies, over server-sent events.
import { Kind, parse } from 'graphql';
import { createClient as eventStreams } from 'graphql-sse';
import { createClient as sockets } from 'graphql-ws';

// fetcher makes GraphiQL's fetcher. withKey adds the key to the headers that an operation is sent with.
export function fetcher(endpoint, withKey) {
  const url = new URL(endpoint, location.href).href;
  return (params, { headers: given } = {}) => {
    const headers = withKey(given ?? {});
    const operation = { ...params };
    const operations = operationsOf(params.query);
    // GraphiQL learns the name of what it runs a moment after a tab was opened. One alone needs none.
    if (operations.length === 1) operation.operationName = operations[0].name?.value;
    const asked = operations.find(({ name }) => name?.value === operation.operationName);
    return asked?.operation === 'subscription'
      ? { subscribe: (sink) => listen(url, operation, headers, sink) }
      : ask(url, operation, headers);
  };
}

// operationsOf is empty where the text is wrong: what is wrong is for the server to say.
function operationsOf(query) {
  try {
    return parse(query).definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION);
  } catch {
    return [];
  }
}

async function ask(url, operation, headers) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json, application/json;q=0.9', ...headers },
    body: JSON.stringify(operation),
  }).catch(() => null);
  if (!response) return problem('The server does not answer.');
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    return problem(`HTTP ${response.status}: ${text.trim() || response.statusText}`);
  }
}

const problem = (message) => ({ errors: [{ message }] });

// listen tells what comes. The headers go along in connection_init, since a browser sends none with a WebSocket.
function listen(url, operation, headers, { next, complete }) {
  let acknowledged = false;
  let stopped = false;
  const end = (error) => {
    next(readable(error));
    complete();
  };
  const client = sockets({
    url: url.replace(/^http/, 'ws'),
    connectionParams: headers,
    retryAttempts: 0,
    on: { connected: () => (acknowledged = true) },
  });
  let stop = client.subscribe(operation, {
    next,
    complete,
    error(error) {
      if (stopped) return;
      // Without a code, or with 1006, nobody answered, or what stands between lets no sockets through. Any other code, and
      // a list of errors, is the server's own word.
      if (acknowledged || Array.isArray(error) || (error.code ?? 1006) !== 1006) return end(error);
      stop = eventStreams({ url, headers, retryAttempts: 0 }).subscribe(operation, { next, complete, error: end });
    },
  });
  return {
    unsubscribe() {
      stopped = true;
      stop();
    },
  };
}

// readable is an error as GraphQL has them, whatever it was: the operation's, the socket's end, or what the browser says.
function readable(error) {
  if (Array.isArray(error)) return { errors: error };
  return problem(error.message || `The connection was closed: ${error.reason || error.code}`);
}
