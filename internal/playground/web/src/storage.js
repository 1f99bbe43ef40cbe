// storage is where GraphiQL keeps what was changed in its tabs, in the browser, under names that begin with prefix. Tabs
// that were kept for other variables, as of a demo that is gone, with the ids of campaigns that were in it, are let go.
export function storage(prefix, variables) {
  const names = () => Object.keys(localStorage).filter((name) => name.startsWith(prefix));
  const kept = `${prefix}variables`;
  if (localStorage.getItem(kept) !== variables) {
    for (const name of names()) if (!/:(theme|\w+Flex)$/.test(name)) localStorage.removeItem(name);
    localStorage.setItem(kept, variables);
  }
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
