// The operations of operations/*.graphql, as clients send them.
import { readdirSync, readFileSync } from 'node:fs';
import { concatAST, Kind, parse, print, separateOperations } from 'graphql';

const folder = new URL('../operations/', import.meta.url);
const all = concatAST(readdirSync(folder).map((name) => parse(readFileSync(new URL(name, folder), 'utf8'))));
const separated = separateOperations(all);

// document is the operation of this name, with the fragments that it uses, as a parsed document.
export function document(name) {
  if (!separated[name]?.definitions.some(({ kind }) => kind === Kind.OPERATION_DEFINITION)) throw new Error(`no operation ${name}`);
  return separated[name];
}

// text is the same as text.
export function text(name) {
  return print(document(name));
}
