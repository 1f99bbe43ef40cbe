// The texts in a result that are not to be read, or not to be copied, out of its JSON, such as the HTML of a mail: where each
// lies, and buttons that copy it as it is and show what it looks like.
import { Button, useGraphiQL } from '@graphiql/react';
import { useEffect, useRef, useState } from 'react';

const long = 200; // characters; longer ones are hard to select
const shown = 20; // texts, so that a long list of comments stays a list

// Texts is the list of them, and nothing where there are none.
export function Texts() {
  const editor = useGraphiQL(({ responseEditor }) => responseEditor);
  const [{ texts, more }, setResult] = useState({ texts: [], more: 0 });
  const [copied, setCopied] = useState();
  const [opened, setOpened] = useState();
  // What the editor holds is what is shown, whichever tab it is of.
  useEffect(() => {
    if (!editor) return;
    const read = () => setResult(textsOf(editor.getValue()));
    read();
    const listener = editor.onDidChangeModelContent(read);
    return () => listener.dispose();
  }, [editor]);
  useEffect(() => {
    const timer = setTimeout(setCopied, 3000);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <>
      {texts.length > 0 && (
        <section className="texts" aria-labelledby="texts">
          <h2 id="texts">Texts in this result</h2>
          <ul>
            {texts.map(({ path, text }) => {
              const state = copied?.path === path && copied.text === text ? copied.state : 'Copy';
              const look = lookOf(text);
              return (
                <li key={path}>
                  <code>{path}</code>
                  <Button
                    state={{ Copied: 'success', 'Not copied': 'error' }[state]}
                    aria-label={`${state} ${path}`}
                    onClick={async () => setCopied({ path, text, state: (await copy(text)) ? 'Copied' : 'Not copied' })}
                  >
                    {state}
                  </Button>
                  {look && (
                    <Button aria-label={`Open ${path}`} aria-haspopup="dialog" onClick={() => setOpened({ path, look })}>
                      Open
                    </Button>
                  )}
                </li>
              );
            })}
          </ul>
          {more > 0 && <p>And {more} more. Ask for fewer to have them here.</p>}
          <p role="status">{copied && `${copied.state} ${copied.path}`}</p>
        </section>
      )}
      {opened && <Look {...opened} close={() => setOpened()} />}
    </>
  );
}

// Look shows what a text looks like. The text may be anybody's, such as a comment: nothing in it runs, is sent or leads anywhere.
function Look({ path, look, close }) {
  const dialog = useRef(null);
  useEffect(() => dialog.current.showModal(), []);
  return (
    <dialog className="graphiql-dialog look" aria-labelledby="look" ref={dialog} onClose={close}>
      <div>
        <h2 id="look">{path}</h2>
        {look.image && (
          <a className="graphiql-button" href={look.image} download={`${path.match(/\w+/g).at(-1)}.svg`}>
            Download
          </a>
        )}
        <Button onClick={() => dialog.current.close()}>Close</Button>
      </div>
      {look.image ? <img src={look.image} alt={path} /> : <iframe title={path} sandbox="" srcDoc={look.page} />}
    </dialog>
  );
}

const beginning = /^\s*<!doctype html\b[^>]*>/i;

// lookOf is how a text is to be shown; undefined where it is neither a page nor an image. An image runs no script. A page is
// in a frame that is sandboxed, of no origin, and held to this page's own policy; and since that lets it go nowhere, its
// links would only break it: they ask for a tab of their own, which the sandbox refuses.
function lookOf(text) {
  if (/^\s*<svg\b/i.test(text)) return { image: `data:image/svg+xml,${encodeURIComponent(text.toWellFormed())}` };
  if (beginning.test(text)) return { page: text.replace(beginning, '$&<base target="_blank">') };
}

// textsOf gives those that are listed, and how many more there are.
function textsOf(result) {
  const texts = [];
  let more = 0;
  const walk = (value, path) => {
    if (typeof value === 'string') {
      if (value.length <= long && JSON.stringify(value) === `"${value}"`) return;
      if (texts.length < shown) texts.push({ path, text: value });
      else more++;
    } else if (Array.isArray(value)) {
      value.forEach((item, i) => walk(item, `${path}[${i}]`));
    } else if (value) {
      for (const [name, item] of Object.entries(value)) walk(item, step(path, name));
    }
  };
  try {
    walk(JSON.parse(result).data, '');
  } catch {
    // Nothing is there yet, or what the editor says is no JSON.
  }
  return { texts, more };
}

// step goes on to a field. What a trait is called may be more than a name.
function step(path, name) {
  if (!/^\w+$/.test(name)) return `${path}[${JSON.stringify(name)}]`;
  return path ? `${path}.${name}` : name;
}

// copy puts the text on the clipboard, and says whether it did.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyAsOfOld(text);
  }
}

// copyAsOfOld is for servers without TLS, whose pages are given no clipboard. Something must be selected; what is copied is
// the text itself, of which a field would keep other line breaks.
function copyAsOfOld(text) {
  const focused = document.activeElement;
  const field = document.createElement('textarea');
  field.value = '…';
  field.style.position = 'fixed';
  document.body.append(field);
  field.select();
  field.addEventListener('copy', (event) => {
    event.clipboardData.setData('text/plain', text);
    event.preventDefault();
  });
  try {
    return document.execCommand('copy');
  } finally {
    field.remove();
    focused?.focus();
  }
}
