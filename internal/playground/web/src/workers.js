// Read before Monaco: where its workers come from.
const url = new URL('worker.js', import.meta.url);
globalThis.MonacoEnvironment = { getWorker: (_, name) => new Worker(url, { name }) };
