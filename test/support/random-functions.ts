/**
 * Map functions at random, of what two engines of JavaScript must agree in: no texts of errors, no time, no locales, and
 * none of the functions of Math whose last digit is the implementation's.
 */
import type { Random } from './random.ts'

const TEXTS = [
  '',
  'a',
  'abc',
  'A1 b2',
  'é',
  '\ud83d\ude00x',
  '\u0000\n"',
  'ß',
  '  pad ',
  '12',
  '-0.5e3',
  'null',
  '\u2028',
]
const NUMBERS = [
  '0',
  '-0',
  '1',
  '2',
  '-1',
  '0.1',
  '1e21',
  '1e-7',
  '123456789.123',
  '9007199254740992',
  '5e-324',
  '0x1f',
  'NaN',
  'Infinity',
]
const NAMES = ['a', 'b', 'c', 'n', 'list', 'text', '_id']
const BINARY = [
  '+',
  '-',
  '*',
  '/',
  '%',
  '<',
  '>',
  '<=',
  '>=',
  '==',
  '===',
  '!=',
  '!==',
  '&&',
  '||',
  '??',
  '&',
  '|',
  '^',
  '<<',
  '>>',
  '>>>',
  ',',
]
const PATTERNS = [
  '/[a-z]+/g',
  '/(\\d)(\\w)?/',
  '/^.|.$/gu',
  '/b|(c)/i',
  '/\\s+/',
  '/(?<x>[a-c])\\k<x>?/',
  '/[^\\x00-\\x7f]/u',
  '/(?=a)a/y',
]

export class RandomFunctions {
  readonly #random: Random
  #names = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** A document as JSON. */
  document(id: string): string {
    const members: Record<string, unknown> = { _id: id, _rev: '1-a' }
    for (const name of ['a', 'b', 'c']) if (this.#random.int(3) > 0) members[name] = this.#value(3)
    if (this.#random.int(2) === 0) members['n'] = this.#random.int(1000) / 8
    if (this.#random.int(2) === 0)
      members['list'] = Array.from({ length: this.#random.int(4) }, () => this.#value(1))
    if (this.#random.int(2) === 0) members['text'] = this.#pick(TEXTS) + this.#pick(TEXTS)
    return JSON.stringify(members)
  }

  /** The text of a map function, in one of the forms that CouchDB takes. */
  map(): string {
    const body = Array.from({ length: 1 + this.#random.int(4) }, () => this.#statement(2)).join('\n')
    const forms = [
      `function(doc) { ${body} }`,
      `(function(doc) { ${body} })`,
      `(doc) => { ${body} }`,
      `/* x */ function (doc) { ${body} };`,
    ]
    return this.#pick(forms)
  }

  #pick<T>(values: readonly T[]): T {
    return values[this.#random.int(values.length)]!
  }

  #value(depth: number): unknown {
    const kind = this.#random.int(depth > 0 ? 7 : 5)
    if (kind === 0) return this.#pick(TEXTS)
    if (kind === 1) return this.#random.int(100) - 50
    if (kind === 2) return this.#random.float()
    if (kind === 3) return this.#random.int(2) === 0
    if (kind === 4) return null
    if (kind === 5) return Array.from({ length: this.#random.int(4) }, () => this.#value(depth - 1))
    return Object.fromEntries(
      Array.from({ length: this.#random.int(4) }, () => [this.#pick(NAMES), this.#value(depth - 1)]),
    )
  }

  #name(): string {
    this.#names += 1
    return `v${this.#names}`
  }

  #statement(depth: number): string {
    const e = (): string => this.#expression(3)
    const inner = (): string => (depth > 0 ? this.#statement(depth - 1) : `emit(${e()}, null);`)
    const name = this.#name()
    switch (this.#random.int(16)) {
      case 0:
        return `var ${name} = ${e()}; emit(${name}, typeof ${name});`
      case 1:
        return `if (${e()}) { ${inner()} } else { ${inner()} }`
      case 2:
        return `for (var ${name} = 0; ${name} < 3; ${name}++) { ${inner()} emit(${name}, 1); }`
      case 3:
        return `try { ${inner()} throw ${e()}; } catch (${name}) { emit('caught', ${name} instanceof Error ? 0 : ${name}); }`
      case 4:
        return `doc.${this.#pick(NAMES)} = ${e()}; emit(doc.${this.#pick(NAMES)}, doc);`
      case 5:
        return `var ${name}l = Object(${e()}); for (var ${name} in ${name}l) { emit(${name}, 2); }`
      case 6:
        return `var ${name}l = [].concat(${e()}); for (const ${name} of ${name}l) { emit(${name}, 3); }`
      case 7:
        return `switch (${e()}) { case ${e()}: ${inner()} break; default: ${inner()} }`
      case 8:
        // QuickJS does not find the end of a pattern, or of a loop's head, in which a template literal is divided.
        return `const {a: ${name} = ${this.#atom()}, ...${name}r} = Object(${e()}); emit(${name}, ${name}r);`
      case 9:
        return `[].concat(doc.list || []).forEach(function(${name}) { emit(${name}, ${e()}); });`
      case 10:
        return `delete doc.${this.#pick(NAMES)}; (doc.list || []).push(1); emit(Object.keys(doc), doc);`
      case 11:
        return `function* ${name}() { yield ${e()}; yield* [1, ${e()}]; } emit([...${name}()], 4);`
      case 12:
        return `class ${name} { constructor(x) { this.x = x; } get y() { return this.x; } toJSON() { return {y: this.y}; } } emit(new ${name}(${e()}), 5);`
      default:
        return `emit(${e()}, ${e()});`
    }
  }

  #expression(depth: number): string {
    const e = (): string => this.#expression(depth - 1)
    if (depth === 0) return this.#atom()
    const text = `String(${this.#random.int(2) === 0 ? `doc.${this.#pick(NAMES)}` : JSON.stringify(this.#pick(TEXTS))})`
    const list = `[].concat(${e()}, ${e()})`
    switch (this.#random.int(30)) {
      case 0:
      case 1:
      case 2:
        return this.#binary(e(), this.#pick(BINARY), e())
      case 3:
        return `(${e()} ? ${e()} : ${e()})`
      case 4:
        return `(${this.#pick(['!', '-', '+', '~', 'typeof', 'void'])} ${e()})`
      case 5:
        return `[${e()}, ${e()}]`
      case 6:
        return `({${this.#pick(NAMES)}: ${e()}, "x y": ${e()}, [${text}]: 1})`
      case 7:
        return `\`<\${${e()}}>\``
      case 8:
        return `${text}.slice(${this.#random.int(5) - 2}, ${this.#random.int(6) - 2})`
      case 9:
        return `${text}.${this.#pick(['toUpperCase()', 'toLowerCase()', 'trim()', 'split("")', 'codePointAt(0)', 'charCodeAt(1)', 'padStart(6, "ab")', 'at(-1)', 'length', 'normalize("NFD")'])}`
      case 10:
        return `${text}.replace(${this.#pick(PATTERNS)}, ${this.#pick(['"[$&]"', '"$1$`"', 'function(m) { return m.length; }'])})`
      case 11:
        return `${text}.match(${this.#pick(PATTERNS)})`
      case 12:
        return `${text}.split(${this.#pick(PATTERNS)})`
      case 13:
        return `${list}.map(function(x, i) { return [i, x, ${e()}]; })`
      case 14:
        return `${list}.filter(function(x) { return ${this.#binary('x', this.#pick(['>', '<', '==']), e())}; })`
      case 15:
        return `${list}.${this.#pick(['sort()', 'reverse()', 'join("-")', 'flat()', 'length', 'slice(1)', 'indexOf(1)', 'includes(NaN)', 'reduce(function(x, y) { return x + y; })', 'toString()', 'findLast(Boolean)'])}`
      case 16:
        return `${this.#pick(['Number', 'String', 'Boolean', 'parseInt', 'parseFloat', 'isNaN', 'isArray', 'toJSON', 'encodeURIComponent', 'Object', 'Array.isArray', 'Number.isInteger'])}(${e()})`
      case 17:
        return `Math.${this.#pick(['floor', 'ceil', 'round', 'trunc', 'abs', 'sign', 'fround', 'clz32', 'sqrt'])}(${e()})`
      case 18:
        return `Math.${this.#pick(['max', 'min', 'imul'])}(${e()}, ${e()})`
      case 19:
        return `Number(${e()}).${this.#pick(['toFixed(2)', 'toPrecision(5)', 'toExponential(3)', 'toString()'])}`
      case 20:
        return `(${e()} | 0).toString(${2 + this.#random.int(35)})`
      case 21:
        return `JSON.${this.#pick(['stringify', 'parse'])}(${e()})`
      case 22:
        return `JSON.stringify(${e()}, null, ${this.#random.int(3)})`
      case 23:
        return `Object.${this.#pick(['keys', 'values', 'entries', 'isFrozen'])}(Object(${e()}))`
      case 24:
        return `new Date(${this.#random.int(4e9) * 997}).${this.#pick(['toISOString()', 'toJSON()', 'getUTCDay()', 'getTime()', 'getUTCMonth()'])}`
      case 25:
        return `sum([${e()}, ${e()}])`
      case 26:
        return `(function(x) { return ${this.#pick(['x', '[x, x]', 'typeof x', '{}'])}; })(${e()})`
      case 27:
        return `[...new ${this.#pick(['Set', 'Map'])}([[1, ${e()}], [2, ${e()}]])].length`
      case 28:
        return `${this.#pick(PATTERNS)}.test(${text})`
      default:
        return this.#atom()
    }
  }

  /** V8 has it wrong which of a big integer and an object is less (`1n > [0.5]`), so what stands left of `<` is neither. */
  #binary(left: string, operator: string, right: string): string {
    const isOrder = ['<', '>', '<=', '>='].includes(operator)
    return `(${isOrder ? `${this.#pick(['Number', 'String'])}(${left})` : left} ${operator} ${right})`
  }

  #atom(): string {
    switch (this.#random.int(6)) {
      case 0:
        return JSON.stringify(this.#pick(TEXTS))
      case 1:
        return this.#pick(NUMBERS)
      case 2:
        return this.#pick(['true', 'false', 'null', 'undefined', '[]', '({})', '1n', 'this.nothing'])
      default:
        return `doc.${this.#pick(NAMES)}`
    }
  }
}
