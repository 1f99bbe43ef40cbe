// What GraphiQL keeps of its tabs; it keeps the theme, the history and the widths of its panes too.
const ofTabs = ['tabState', 'query', 'variables', 'headers'].map((name) => `graphiql:${name}`);

// Its history has the headers of each query, which may hold a key, whatever it is told of keeping headers.
const ofHistory = ['queries', 'favorites'].map((name) => `graphiql:${name}`);
const withoutHeaders = (text) => JSON.stringify(JSON.parse(text), (name, value) => (name === 'headers' ? undefined : value));

// kept gives the tabs to begin with, and where GraphiQL keeps what was changed: in the browser, under names that begin with
// prefix. Where the examples are others than those that the tabs were kept for, as of an older server, the tabs begin anew,
// and what was written into tabs besides comes after them. Where only their variables are, as of a demo that is gone, with
// the id of a campaign that was in it, nothing of the tabs stays.
export function kept(prefix, examples) {
  const now = JSON.stringify(examples);
  const before = localStorage.getItem(`${prefix}examples`);
  // Until GraphiQL has written its tabs down again, those of before lie where they were, so that none is lost.
  let outdated = before !== now;
  const tabs = outdated ? [...examples, ...own(localStorage.getItem(`${prefix}graphiql:tabState`), JSON.parse(before) ?? [], examples)] : examples;
  for (const name of ofHistory) {
    const text = localStorage.getItem(prefix + name);
    if (text) localStorage.setItem(prefix + name, withoutHeaders(text));
  }
  const names = () => Object.keys(localStorage).filter((name) => name.startsWith(prefix));
  const storage = {
    get length() {
      return names().length;
    },
    getItem: (name) => (outdated && ofTabs.includes(name) ? null : localStorage.getItem(prefix + name)),
    setItem(name, value) {
      localStorage.setItem(prefix + name, ofHistory.includes(name) ? withoutHeaders(value) : value);
      if (name !== 'graphiql:tabState') return;
      localStorage.setItem(`${prefix}examples`, now);
      outdated = false;
    },
    removeItem: (name) => localStorage.removeItem(prefix + name),
    clear: () => names().forEach((name) => localStorage.removeItem(name)),
  };
  return { tabs, storage };
}

// own are those of the tabs that were kept that are no examples, where these had the variables that they have now.
function own(state, before, examples) {
  const variables = (tabs) => JSON.stringify(tabs.flatMap(({ variables }) => variables ?? []));
  if (!state || variables(before) !== variables(examples)) return [];
  const known = [...before, ...examples].map(({ query }) => query);
  return JSON.parse(state)
    .tabs.filter(({ query }) => query?.trim() && !known.includes(query))
    .map(({ query, variables }) => ({ query, variables }));
}
