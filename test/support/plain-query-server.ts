/**
 * What maps, reduces and validations mean, a second time: written for plainness, in a plain context of this process, for
 * functions that are known to be harmless.
 */
import { type Context, createContext, runInContext } from 'node:vm'

const SETUP = `
  var rows = [];
  var emit = function(key, value) { rows.push([key, value]); };
  var sum = function(values) { var rv = 0; for (var i in values) rv += values[i]; return rv; };
  var toJSON = function(value) { return JSON.stringify(value); };
  var isArray = Array.isArray;
  var log = function() {};
  var seal = function(value) {
    Object.freeze(value);
    for (var name in value) if (typeof value[name] === 'object' && value[name] !== null) seal(value[name]);
  };
  var text = function(value) { var found = JSON.stringify(value); return found === undefined ? 'null' : found; };
  var mapped = function(fun, source) {
    var doc = JSON.parse(source);
    seal(doc);
    rows = [];
    try {
      fun(doc);
      return rows.map(function(row) { return [text(row[0]), text(row[1])]; });
    } catch (error) {
      return [];
    }
  };
`

export class PlainQueryServer {
  readonly #context: Context = createContext({})
  readonly #maps: unknown[]

  /** A function stands alone in its text, but for comments and a semicolon. */
  constructor(maps: readonly string[]) {
    runInContext(SETUP, this.#context)
    this.#maps = maps.map((map) => runInContext(`(${map.replace(/;\s*$/, '')}\n)`, this.#context))
  }

  /** Of each document, of each map: the texts of keys and values. */
  map(documents: readonly string[]): [key: string, value: string][][][] {
    const { mapped } = this.#context as { mapped: (fun: unknown, source: string) => [string, string][] }
    return documents.map((source) =>
      this.#maps.map((fun) => Array.from(mapped(fun, source), ([key, value]) => [key, value])),
    )
  }
}
