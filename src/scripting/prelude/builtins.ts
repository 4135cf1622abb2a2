import type { Builtins, Fun } from './loose.ts'

/** Taken before any code of a design document runs, and without a prototype that such code could change. */
export function takeBuiltins(): Builtins {
  const global = globalThis as unknown as Record<string, unknown>
  const { apply } = Reflect
  const { parse, stringify } = JSON
  const { now } = Date
  const { freeze, create } = Object
  const { isArray } = Array
  const toText = String
  const hasOwn = Object.prototype.hasOwnProperty
  const { slice, indexOf } = String.prototype
  const evaluate = global['eval'] as (script: string) => unknown
  const found: Builtins = create(null)
  found.parse = (text) => parse(text)
  found.stringify = (value) => stringify(value)
  found.freeze = (value) => {
    freeze(value)
  }
  found.has = (value, name) => value !== null && typeof value === 'object' && apply(hasOwn, value, [name])
  found.isArray = isArray
  found.apply = (callee: Fun, self, values) => apply(callee, self, values)
  found.evaluate = (script) => evaluate(script)
  found.slice = (text, start, end) => apply(slice, text, [start, end])
  found.indexOf = (text, part, from) => apply(indexOf, text, [part, from])
  found.now = () => now()
  found.text = (value) => toText(value)
  found.InternalError = global['InternalError'] as Builtins['InternalError']
  found.SyntaxError = SyntaxError as Builtins['SyntaxError']
  return found
}
