import type { Builtins, Fun } from './loose.ts'

/** Taken before any code of a design document runs, and without a prototype that such code could change. */
export function takeBuiltins(): Builtins {
  const global = globalThis as unknown as Record<string, unknown>
  const { apply } = Reflect
  const { create, prototype } = Object
  const { now } = Date
  // Bound once: a call costs no list of its values, and no change of a prototype reaches it.
  const bind = (method: Fun): never =>
    apply(Function.prototype.bind, Function.prototype.call, [method]) as never
  const found: Builtins = create(null)
  found.parse = JSON.parse
  found.stringify = JSON.stringify
  found.freeze = Object.freeze
  found.isArray = Array.isArray
  found.apply = apply as Builtins['apply']
  found.now = now
  found.text = String
  found.evaluate = global['eval'] as Builtins['evaluate']
  const hasOwn = bind(prototype.hasOwnProperty) as (value: unknown, name: string) => boolean
  found.has = (value, name) => value !== null && typeof value === 'object' && hasOwn(value, name)
  found.slice = bind(String.prototype.slice as Fun)
  const { setPrototypeOf } = Object
  found.newList = () => setPrototypeOf([], null) as unknown[]
  found.join = bind(Array.prototype.join as Fun)
  found.indexOf = bind(String.prototype.indexOf as Fun)
  found.InternalError = global['InternalError'] as Builtins['InternalError']
  found.SyntaxError = SyntaxError as Builtins['SyntaxError']
  // As in CouchDB, functions of design documents make no code of texts.
  const { defineProperty, getPrototypeOf } = Object
  const Refusal = EvalError
  const define = (target: object, name: string, value: unknown): unknown =>
    defineProperty(target, name, { value, writable: true, configurable: true, enumerable: false })
  const refuse = (): never => {
    throw new Refusal('Runtime code evaluation is disabled.')
  }
  const kinds = [() => {}, function* () {}, async () => {}, async function* () {}]
  for (const kind of kinds) {
    const maker = (): never => refuse()
    const shared = getPrototypeOf(kind)
    defineProperty(maker, 'prototype', { value: shared })
    define(shared, 'constructor', maker)
  }
  define(global, 'Function', Function.prototype.constructor)
  define(global, 'eval', refuse)
  return found
}
