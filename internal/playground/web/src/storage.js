// What GraphiQL keeps of its tabs; it keeps the theme, the history and the widths of its panes too.
const ofTabs = ['tabState', 'query', 'variables', 'headers'];

// storage is where GraphiQL keeps what was changed, in the browser, under names that begin with prefix. Tabs that were kept
// for other variables, as of a demo that is gone, with the id of a campaign that was in it, are let go.
export function storage(prefix, variables) {
  const kept = `${prefix}variables`;
  if (localStorage.getItem(kept) !== variables) {
    for (const name of ofTabs) localStorage.removeItem(`${prefix}graphiql:${name}`);
    localStorage.setItem(kept, variables);
  }
  const names = () => Object.keys(localStorage).filter((name) => name.startsWith(prefix));
  return {
    get length() {
      return names().length;
    },
    getItem: (name) => localStorage.getItem(prefix + name),
    setItem: (name, value) => localStorage.setItem(prefix + name, value),
    removeItem: (name) => localStorage.removeItem(prefix + name),
    clear: () => names().forEach((name) => localStorage.removeItem(name)),
  };
}
