/** What the table of settings is made of: an entry, and the kinds of entries. */
import { isIP } from 'node:net'
import { parseDayWindow } from './day-window.ts'

export interface Setting<T> {
  readonly section: string
  /** `*`: every key of the section, see `entries`. */
  readonly key: string
  readonly type: 'integer' | 'boolean' | 'string' | 'choice' | 'entries'
  readonly default: T
  /** Of an integer, both included. */
  readonly bounds: { readonly min: number; readonly max: number } | undefined
  /** What a choice is made from. */
  readonly choices: readonly string[] | undefined
  /** The value that `text` means, or throws an Error whose message completes "must be". */
  parse(text: string): T
  /** Of `entries`: the value that a key's text means. */
  parseEntry?: (text: string, key: string) => unknown
  /** Never repeated in a message. */
  readonly secret: boolean
  /**
   * Whether the running server obeys a change, or only the next one to start. What is `given` at the start, and by no
   * request, is where the changes themselves are kept.
   */
  readonly effect: 'live' | 'restart' | 'given'
  /** Shown in a list of what is configured though nobody has: a key that CouchDB's own file has. */
  readonly listed: boolean
  /** One sentence. */
  readonly doc: string
}

/** A value as it is written; undefined for none. */
export function textOf(value: unknown): string | undefined {
  if (value === undefined) return undefined
  if (value === Number.POSITIVE_INFINITY) return 'infinity'
  if (Array.isArray(value)) return value.join(', ')
  return value instanceof Map ? [...value.keys()].join(', ') : String(value)
}

/** What every entry says. */
interface Entry {
  section: string
  key: string
  effect: Setting<unknown>['effect']
  listed?: boolean
  doc: string
}

export function integer(
  entry: Entry & {
    default: number
    min: number
    max: number
    /** What the word `infinity` means, where it is allowed. */
    infinity?: number
  },
): Setting<number> {
  const { min, max, infinity, listed = false, ...rest } = entry
  const parse = (input: string): number => {
    if (infinity !== undefined && input === 'infinity') return infinity
    const value = /^\d+$/.test(input) ? Number(input) : Number.NaN
    if (!(value >= min && value <= max)) throw new Error(`an integer from ${min} to ${max}`)
    return value
  }
  return { ...rest, listed, type: 'integer', bounds: { min, max }, choices: undefined, parse, secret: false }
}

export function flag(entry: Entry & { default: boolean }): Setting<boolean> {
  const parse = (input: string): boolean => {
    if (input !== 'true' && input !== 'false') throw new Error('true or false')
    return input === 'true'
  }
  const { listed = false } = entry
  return { ...entry, listed, type: 'boolean', bounds: undefined, choices: undefined, parse, secret: false }
}

export function choice<const T extends string | undefined>(
  entry: Entry & {
    default: NoInfer<T>
    values: readonly T[]
    /** Capitals mean the same. */
    caseless?: boolean
  },
): Setting<T> {
  const { values, caseless = false, listed = false, ...rest } = entry
  const choices = values.filter((value) => value !== undefined)
  const parse = (input: string): T => {
    const value = (caseless ? input.toLowerCase() : input) as T
    if (!values.includes(value)) throw new Error(`one of ${choices.join(', ')}`)
    return value
  }
  return { ...rest, listed, type: 'choice', bounds: undefined, choices, parse, secret: false }
}

export function text<T>(
  entry: Entry & { default: T; parse: (input: string) => T; secret?: boolean },
): Setting<T> {
  return { secret: false, listed: false, ...entry, type: 'string', bounds: undefined, choices: undefined }
}

/** What a section holds whose keys are names that the user gives: values by key. */
export type Entries<V = string> = ReadonlyMap<string, V>

/** All keys of a section as one setting. `parseEntry` says what the text of a key means, or throws as `parse` does. */
export function entries<V>(
  entry: Omit<Entry, 'key' | 'listed'> & {
    parseEntry: (input: string, key: string) => V
    secret?: boolean
  },
): Setting<Entries<V>> & { parseEntry: (input: string, key: string) => V } {
  const parse = (): never => {
    throw new Error('given by its keys')
  }
  return {
    secret: false,
    listed: false,
    ...entry,
    key: '*',
    type: 'entries',
    default: new Map(),
    bounds: undefined,
    choices: undefined,
    parse,
  }
}

export function anyText(input: string): string {
  if (input === '') throw new Error('text')
  return input
}

/** The value of a header (RFC 9110, 5.5), without what is beyond ASCII. */
export function headerText(input: string): string {
  if (!/^[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?$/.test(input)) throw new Error('the text of a header')
  return input
}

/** The path of a page of this server. */
export function pathText(input: string): string {
  if (!/^\/[\x21-\x7e]*$/.test(input) || input.startsWith('//'))
    throw new Error('a path that begins with one /')
  return input
}

/** Values between commas. */
export function names(input: string): readonly string[] {
  const values = input.split(',').map((value) => value.trim())
  if (values.some((value) => !/^[A-Za-z0-9*:/.[\]_-]+$/.test(value))) throw new Error('names between commas')
  return values
}

/** Words for networks, or blocks of addresses, between commas; `none` for an empty list. */
export function networks(input: string): readonly string[] {
  if (input === 'none') return []
  const values = input.split(',').map((value) => value.trim())
  for (const value of values) {
    if (['loopback', 'link-local', 'private'].includes(value)) continue
    const [address = '', bits = '', ...rest] = value.split('/')
    const most = { 0: 0, 4: 32, 6: 128 }[isIP(address)]!
    if (most === 0 || rest.length > 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > most) {
      throw new Error('loopback, link-local, private or blocks of addresses between commas, or none')
    }
  }
  return values
}

export function uuid(input: string): string {
  if (!/^[0-9a-f]{32}$/.test(input)) throw new Error('32 hex digits in lower case')
  return input
}

/** A list with commas between its parts, `*` standing for anything in them. */
export function contentTypes(input: string): string {
  const one = /^\s*(\*|[\w.+*-]+\/[\w.+*-]+)\s*$/
  if (!input.split(',').every((type) => one.test(type))) throw new Error('content types with commas between')
  return input
}

/** From 0 to 1. */
export function fraction(input: string): number {
  const value = /^[01](\.\d{1,10})?$/.test(input) ? Number(input) : Number.NaN
  if (!(value <= 1)) throw new Error('a number from 0.0 to 1.0')
  return value
}

export function shares(input: string): number {
  const value = /^\d{1,4}$/.test(input) ? Number(input) : Number.NaN
  if (!(value >= 1 && value <= 1000)) throw new Error('an integer from 1 to 1000')
  return value
}

export function dayWindow(input: string): string {
  if (parseDayWindow(input) === undefined) throw new Error('HH:MM-HH:MM')
  return input
}

export function domain(input: string): string {
  if (!/^[A-Za-z0-9.-]+$/.test(input)) throw new Error('a domain name')
  return input
}

const MOST_THREADS = 256

export function threads(input: string): 'auto' | number {
  if (input === 'auto') return input
  const count = /^\d{1,3}$/.test(input) ? Number(input) : Number.NaN
  if (!(count <= MOST_THREADS)) throw new Error(`"auto" or an integer from 0 to ${MOST_THREADS}`)
  return count
}
