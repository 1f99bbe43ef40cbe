// The three workers of the editors in one file, since most of each is the same: its name says which one it is to be.
import { initialize } from 'monaco-editor/esm/vs/editor/editor.worker.js';
import 'monaco-editor/esm/vs/language/json/json.worker.js'; // it leaves its beginning in onmessage
import { GraphQLWorker } from 'monaco-graphql/esm/GraphQLWorker.js';

const json = self.onmessage;
const graphql = () => initialize((context, data) => new GraphQLWorker(context, data));
self.onmessage = { json, graphql }[self.name] ?? (() => initialize(null));
