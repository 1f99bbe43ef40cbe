// Builds the page's files from src/ and from what package-lock.json names, into ../built. The same input makes the same
// files, byte for byte: nothing of the machine, of its paths or of the time goes into them.
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const path = (name) => fileURLToPath(new URL(name, import.meta.url));

// smaller puts less in the place of what GraphiQL takes whole: of Monaco the parts that its editors use, and of Prettier
// no parser of JavaScript, which it would lay out JSON with. Prettier's older names are those of the same files.
const smaller = {
  name: 'smaller',
  setup({ onResolve, resolve }) {
    onResolve({ filter: /(^monaco-graphql\/esm|^\.)\/monaco-editor(\.js)?$/ }, () => ({ path: path('src/monaco.js') }));
    onResolve({ filter: /^prettier\/(plugins\/estree|parser-babel)$/ }, () => ({ path: path('src/json.js') }));
    onResolve({ filter: /^prettier\/parser-graphql$/ }, ({ resolveDir }) =>
      resolve('prettier/plugins/graphql', { resolveDir, kind: 'import-statement' }));
  },
};

const options = {
  absWorkingDir: path('.'),
  bundle: true,
  minify: true,
  charset: 'utf8',
  legalComments: 'none', // LICENSES.txt has them all
  target: ['chrome120', 'firefox120', 'safari17'],
  define: { 'process.env.NODE_ENV': '"production"' },
  loader: { '.ttf': 'file' },
  assetNames: '[name]',
  outdir: '../built',
  metafile: true,
  logLevel: 'warning',
  plugins: [smaller],
};
const results = [
  await build({ ...options, entryPoints: { playground: 'src/playground.jsx' }, format: 'esm', jsx: 'automatic' }),
  await build({ ...options, entryPoints: { worker: 'src/worker.js' }, format: 'iife' }),
];

// The licences of all packages of which anything was built in.
const packages = new Set();
for (const { metafile } of results) {
  for (const { inputs } of Object.values(metafile.outputs)) {
    for (const [input, { bytesInOutput }] of Object.entries(inputs)) {
      const name = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
      if (name && bytesInOutput > 0) packages.add(name);
    }
  }
}
const texts = new Map();
for (const name of [...packages].sort()) {
  const { name: title, version, license } = JSON.parse(await readFile(path(`${name}/package.json`), 'utf8'));
  const files = (await readdir(path(name))).filter((file) => /^(licen[cs]e|copying|thirdpartynotices)/i.test(file)).sort();
  const text = await Promise.all(files.map((file) => readFile(path(`${name}/${file}`), 'utf8')));
  texts.set(`${title} ${version} (${license})`, text.join('\n').replace(/^\uFEFF/, '').replaceAll('\r\n', '\n').trim());
}
const line = `${'-'.repeat(80)}\n`;
const head = 'The files beside this one are built from these packages, each of which has its own licence.\n\n';
await writeFile(
  path('../built/LICENSES.txt'),
  `${head}${[...texts].map(([title, text]) => `${line}${title}\n\n${text || 'It comes without a text of its own.'}\n`).join('\n')}`,
);
