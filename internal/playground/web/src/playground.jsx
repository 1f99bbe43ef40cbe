// GraphiQL with a tab for each example, and with a key for all of them.
import './workers.js';
import '@graphiql/react/style.css';
import '@graphiql/plugin-doc-explorer/style.css';
import '@graphiql/plugin-history/style.css';
import 'graphiql/graphiql.css';
import './playground.css';
import { useGraphiQL } from '@graphiql/react';
import { GraphiQL } from 'graphiql';
import { buildSchema } from 'graphql';
import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { fetcher } from './fetcher.js';
import { kept } from './storage.js';
import { Texts } from './texts.jsx';

const page = document.getElementById('page');
// What the server says: where to ask, where the schema lies, the examples, and of a demo the key.
const { endpoint, schema: sdl, secret, tabs: examples } = JSON.parse(document.getElementById('settings').textContent);
const { tabs, storage } = kept('zeroten:', examples);

// schemaAt gives the schema that a file has. Without one GraphiQL learns it by introspection.
async function schemaAt(url) {
  try {
    const response = await fetch(url);
    if (response.ok) return buildSchema(await response.text(), { assumeValidSDL: true });
  } catch (error) {
    console.warn('The schema is asked for by introspection, since its file could not be read:', error);
  }
}
const schema = sdl && (await schemaAt(sdl));

// The key is not kept longer than the browser's tab is open, and no other tab sees it.
const remembered = 'zeroten:key';
let key = secret ?? sessionStorage.getItem(remembered) ?? '';

function withKey(headers) {
  const given = Object.keys(headers).some((name) => name.toLowerCase() === 'authorization');
  return given || !key ? headers : { ...headers, Authorization: `Bearer ${key}` };
}

function Bar() {
  const [value, setValue] = useState(key);
  const change = ({ target }) => {
    setValue(target.value);
    key = target.value.trim().replace(/^Bearer\s+/i, '');
    if (!secret) sessionStorage.setItem(remembered, key);
  };
  return (
    <header className="graphiql-container bar">
      <h1>
        Zeroten <small>GraphiQL</small>
      </h1>
      <label>
        Key
        <input name="key" value={value} onChange={change} placeholder="z10_… or a token" autoComplete="off" spellCheck={false} />
      </label>
      {value.trim() === '' && (
        <p role="note">
          Put a key here: without one there is the schema, and no feedback. A new database shows one at its first start;{' '}
          <code>zeroten key create</code> makes others.
        </p>
      )}
    </header>
  );
}

// Wrapped folds long lines, such as what the examples say of themselves.
function Wrapped() {
  const editor = useGraphiQL(({ queryEditor }) => queryEditor);
  useEffect(() => editor?.updateOptions({ wordWrap: 'on' }), [editor]);
  return null;
}

createRoot(page).render(
  <>
    <Bar />
    <GraphiQL
      fetcher={fetcher(endpoint, withKey)}
      schema={schema}
      defaultTabs={tabs}
      storage={storage}
      shouldPersistHeaders={false}
      schemaDescription
      inputValueDeprecation
    >
      <GraphiQL.Logo>
        <></>
      </GraphiQL.Logo>
      <GraphiQL.Footer>
        <Texts />
      </GraphiQL.Footer>
      <Wrapped />
    </GraphiQL>
  </>,
);
