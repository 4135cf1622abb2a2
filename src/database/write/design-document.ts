/**
 * What is checked of a design document when it is written, in CouchDB's order and words. The body is looked at as
 * bytes: it may be megabytes, and only a few names and types of it matter. What has to be compiled to be checked
 * (functions) is not looked at here.
 */
import { walkMembers } from '../../json/members.ts'

type Type = 'object' | 'array' | 'string' | 'boolean' | 'null' | 'number'

/** A member's value in the body. */
interface Value {
  start: number
  end: number
  type: Type
}

export interface DesignExamination {
  /** It has a `validate_doc_update`. */
  validates: boolean
  /** CouchDB's reason for refusing it; undefined where it is sound. */
  fault: string | undefined
}

const MEMBERS = new Set([
  'filters',
  'language',
  'lists',
  'options',
  'rewrites',
  'shows',
  'updates',
  'validate_doc_update',
  'views',
])
const LONGEST_MEMBER = Math.max(...[...MEMBERS].map((name) => name.length))

const FUNCTION_TYPES: readonly Type[] = ['string', 'object']
const DESIGN_OPTIONS = ['include_design', 'local_seq', 'partitioned']

/** Languages that a server of CouchDB has; of others the functions are not looked at. */
const KNOWN_LANGUAGES = new Set(['"javascript"', '"query"'])

/** Built-in reduce functions go by how their names begin. */
const REDUCE_PREFIXES = ['_sum', '_count', '_stats', '_approx_count_distinct', '_first', '_last']
const RANKED_REDUCE = /^_(?:top|bottom)_(.*)$/s
const MAX_RANK = 100

/** `body` must be a canonical object; `partitioned` is the database. Time grows with the length of the body alone. */
export function examineDesign(body: Uint8Array, partitioned: boolean): DesignExamination {
  const design = new Design(Buffer.from(body.buffer, body.byteOffset, body.byteLength))
  return { validates: design.validates, fault: design.fault(partitioned) }
}

class Design {
  readonly #text: Buffer
  readonly #members: ReadonlyMap<string, Value>

  constructor(text: Buffer) {
    this.#text = text
    this.#members = this.#pick({ start: 0 }, MEMBERS, LONGEST_MEMBER)
  }

  get validates(): boolean {
    return this.#members.has('validate_doc_update')
  }

  fault(partitioned: boolean): string | undefined {
    return (
      this.#functionsFault('filters') ??
      this.#typeFault('language', ['string']) ??
      this.#functionsFault('lists') ??
      this.#optionsFault() ??
      this.#typeFault('rewrites', ['array', 'string']) ??
      this.#functionsFault('shows') ??
      this.#functionsFault('updates') ??
      this.#typeFault('validate_doc_update', ['string']) ??
      this.#viewsFault(partitioned)
    )
  }

  #typeFault(name: string, types: readonly Type[]): string | undefined {
    const value = this.#members.get(name)
    return value === undefined || types.includes(value.type) ? undefined : mistyped(name, types)
  }

  #functionsFault(name: string): string | undefined {
    const value = this.#members.get(name)
    if (value?.type !== 'object') return this.#typeFault(name, ['object'])
    let fault: string | undefined
    this.#walk(value, (member, each) => {
      if (FUNCTION_TYPES.includes(each.type)) return
      fault ??= mistyped(`${name}.${member()}`, FUNCTION_TYPES)
    })
    return fault
  }

  #optionsFault(): string | undefined {
    const value = this.#members.get('options')
    if (value?.type !== 'object') return this.#typeFault('options', ['object'])
    const options = this.#pick(value, new Set(DESIGN_OPTIONS), LONGEST_MEMBER)
    const wrong = DESIGN_OPTIONS.find((name) => (options.get(name)?.type ?? 'boolean') !== 'boolean')
    return wrong && mistyped(`options.${wrong}`, ['boolean'])
  }

  #viewsFault(partitioned: boolean): string | undefined {
    const views = this.#members.get('views')
    if (views !== undefined && views.type !== 'object') return mistyped('views', ['object'])
    const faults = views === undefined ? {} : this.#faultsOfViews(views)
    return (
      faults.lib ??
      faults.map ??
      faults.reduce ??
      faults.mapless ??
      faults.options ??
      (partitioned ? undefined : this.#partitionFault()) ??
      faults.builtin
    )
  }

  #partitionFault(): string | undefined {
    const options = this.#members.get('options')
    const wanted = options && this.#pick(options, new Set(['partitioned']), LONGEST_MEMBER).get('partitioned')
    if (wanted === undefined || this.#textOf(wanted) !== 'true') return undefined
    return 'partitioned option cannot be true in a non-partitioned database.'
  }

  /** The first fault of each kind, which are looked at one kind after the other. */
  #faultsOfViews(views: Value): ViewFaults {
    const faults: ViewFaults = {}
    const language = this.#members.get('language')
    const languageText = language === undefined ? '"javascript"' : this.#textOf(language)
    const mapType = languageText === '"query"' ? 'object' : 'string'
    const isKnown = KNOWN_LANGUAGES.has(languageText)
    this.#walk(views, (name, view) => {
      if (view.type !== 'object') {
        if (name() === 'lib') faults.lib ??= mistyped('views.lib', ['object'])
        faults.map ??= mistyped(`views.${name()}`, ['object'])
        return
      }
      const { map, reduce, options } = this.#membersOfView(view)
      if (map === undefined) {
        if (faults.mapless === undefined && name() !== 'lib') {
          faults.mapless = `View \`${name()}\` must contain map function`
        }
      } else if (map.type !== mapType) faults.map ??= mistyped(`views.${name()}.map`, [mapType])
      if (reduce !== undefined && reduce.type !== 'string') {
        faults.reduce ??= mistyped(`views.${name()}.reduce`, ['string'])
      } else if (map !== undefined && reduce !== undefined && isKnown) {
        faults.builtin ??= this.#reduceFault(reduce)
      }
      // CouchDB answers 500 to these.
      if (map !== undefined && options !== undefined && options.type !== 'object') {
        faults.options ??= mistyped(`views.${name()}.options`, ['object'])
      }
    })
    return faults
  }

  #membersOfView(view: Value): { map?: Value; reduce?: Value; options?: Value } {
    const text = this.#text
    const members: { map?: Value; reduce?: Value; options?: Value } = {}
    walkMembers(text, view.start, (nameStart, nameEnd, start, end) => {
      for (const { name, bytes } of VIEW_MEMBERS) {
        const isIt = nameEnd - nameStart === bytes.length && bytes.compare(text, nameStart, nameEnd) === 0
        if (isIt) members[name] = { start, end, type: typeAt(text, start) }
      }
    })
    return members
  }

  #reduceFault(reduce: Value): string | undefined {
    if (this.#text[reduce.start + 1] !== UNDERSCORE) return undefined
    const name = JSON.parse(this.#textOf(reduce)) as string
    const rank = RANKED_REDUCE.exec(name)?.[1]
    if (rank !== undefined) return rankFault(rank)
    if (REDUCE_PREFIXES.some((prefix) => name.startsWith(prefix))) return undefined
    return `\`${name}\` is not a supported reduce function.`
  }

  #textOf({ start, end }: Value): string {
    return this.#text.toString('utf8', start, end)
  }

  /** The members of these names, none of which is longer than `longest` or has to be escaped. */
  #pick(
    { start }: Pick<Value, 'start'>,
    names: ReadonlySet<string>,
    longest: number,
  ): ReadonlyMap<string, Value> {
    const text = this.#text
    const found = new Map<string, Value>()
    walkMembers(text, start, (nameStart, nameEnd, valueStart, valueEnd) => {
      if (nameEnd - nameStart - 2 > longest) return
      const name = text.toString('latin1', nameStart + 1, nameEnd - 1)
      if (names.has(name))
        found.set(name, { start: valueStart, end: valueEnd, type: typeAt(text, valueStart) })
    })
    return found
  }

  /** `name` decodes it, which is for those that are told. */
  #walk(object: Value, visit: (name: () => string, value: Value) => void): void {
    const text = this.#text
    walkMembers(text, object.start, (nameStart, nameEnd, start, end) => {
      visit(() => JSON.parse(text.toString('utf8', nameStart, nameEnd)) as string, {
        start,
        end,
        type: typeAt(text, start),
      })
    })
  }
}

interface ViewFaults {
  lib?: string
  map?: string
  reduce?: string
  mapless?: string
  options?: string
  builtin?: string | undefined
}

const VIEW_MEMBERS = (['map', 'reduce', 'options'] as const).map((name) => ({
  name,
  bytes: Buffer.from(`"${name}"`),
}))
const UNDERSCORE = 0x5f

const TYPES: readonly (Type | undefined)[] = ((): (Type | undefined)[] => {
  const types: (Type | undefined)[] = new Array(256).fill(undefined)
  const first = { '{': 'object', '[': 'array', '"': 'string', t: 'boolean', f: 'boolean', n: 'null' } as const
  for (const [char, type] of Object.entries(first)) types[char.charCodeAt(0)] = type
  return types
})()

/** Canonical values tell their type by their first byte. */
function typeAt(text: Buffer, at: number): Type {
  return TYPES[text[at]!] ?? 'number'
}

function mistyped(path: string, types: readonly Type[]): string {
  return `\`${path}\` field must have ${types.join(' or ')} type`
}

function rankFault(rank: string): string | undefined {
  if (!/^[+-]?[0-9]+$/.test(rank)) return 'invalid rank reducer'
  const value = Number(rank)
  return value >= 1 && value <= MAX_RANK ? undefined : `rank value must be between 1 and ${MAX_RANK}`
}
