// A plugin for Prettier that lays out JSON with comments, in the place of its own, which brings a parser of JavaScript
// along.
import { applyEdits, format } from 'jsonc-parser';

const laidOut = (text) => applyEdits(text, format(text, undefined, { tabSize: 2, insertSpaces: true, eol: '\n' }));

export const parsers = {
  jsonc: { astFormat: 'laid-out', parse: (text) => ({ text: laidOut(text) }), locStart: () => 0, locEnd: ({ text }) => text.length },
};
export const printers = { 'laid-out': { print: ({ node }) => node.text } };
