/** A design document as far as its functions go. Whoever keeps one beside a revision reads it once. */
import { createHash } from 'node:crypto'
import { isHarmless, membersRead } from './sandbox/members-read.ts'
import { ScriptError } from './script-error.ts'
import type { Program } from './threads/lines.ts'

export type FunctionKind =
  | 'filters'
  | 'lists'
  | 'rewrites'
  | 'shows'
  | 'updates'
  | 'validate_doc_update'
  | 'views'

/** A view as it is written: its functions may be anything. */
export interface WrittenView {
  readonly name: string
  readonly map: unknown
  /** Undefined where it only maps. */
  readonly reduce: unknown
  /** Its own `options`. */
  readonly options: Readonly<Record<string, unknown>>
}

type Members = Record<string, unknown>

/** The language of a design document that names none. */
const JAVASCRIPT = 'javascript'

export class Design {
  readonly language: string
  readonly #members: Members
  /** The whole document. */
  readonly #calls: Program
  /** Its views, and what they may require. */
  #views: Program | undefined

  /**
   * `text` is the design document as JSON; `owner` says with whom it shares its part of the threads: a database's name,
   * where one person may make many design documents. Throws where it is no JSON object.
   */
  constructor(text: Uint8Array, owner: string) {
    const members: unknown = JSON.parse(Buffer.from(text.buffer, text.byteOffset, text.length).toString())
    if (typeof members !== 'object' || members === null) throw new TypeError('a design document is an object')
    this.#members = members as Members
    const { language } = this.#members
    this.language = typeof language === 'string' ? language : JAVASCRIPT
    // Equal design documents of two databases share neither an engine's state nor its queue.
    const key = `calls ${owner.length} ${owner} ${hashOf(text)}`
    this.#calls = { key, design: new Uint8Array(text), owner }
  }

  /** Whether its functions are run here. */
  get isJavaScript(): boolean {
    return this.language === JAVASCRIPT
  }

  get validates(): boolean {
    return Object.hasOwn(this.#members, 'validate_doc_update')
  }

  /** The text of its `validate_doc_update`, where that is one. */
  get validationText(): string | undefined {
    const { validate_doc_update: text } = this.#members
    return typeof text === 'string' ? text : undefined
  }

  /** Whether its indexes may be built without being asked for. */
  get isAutoUpdated(): boolean {
    return this.#members['autoupdate'] !== false
  }

  hasView(name: string): boolean {
    return Object.hasOwn(membersOf(this.#members['views']), name)
  }

  /** What has a map, in the order of the document. */
  writtenViews(): WrittenView[] {
    return Object.entries(membersOf(this.#members['views'])).flatMap(([name, members]) => {
      const { map, reduce, options } = membersOf(members)
      if (map === undefined) return []
      return [{ name, map, reduce: reduce ?? undefined, options: membersOf(options) }]
    })
  }

  /** Modules that maps and reduces may require. */
  get library(): unknown {
    return membersOf(this.#members['views'])['lib']
  }

  /** A member of `options`. */
  option(name: string): unknown {
    return membersOf(this.#members['options'])[name]
  }

  /** Rules, or a function's text; undefined for none. */
  get rewrites(): unknown {
    return Object.hasOwn(this.#members, 'rewrites') ? this.#members['rewrites'] : undefined
  }

  get calls(): Program {
    return this.#calls
  }

  /** JSON: all that views run from. */
  get viewsText(): Uint8Array<ArrayBuffer> {
    const views = membersOf(this.#members['views'])
    return new Uint8Array(Buffer.from(JSON.stringify({ language: this.language, views })))
  }

  /** Equal for design documents whose views are equal. */
  get views(): Program {
    if (this.#views !== undefined) return this.#views
    const design = this.viewsText
    const { owner } = this.#calls
    this.#views = { key: `views ${owner.length} ${owner} ${hashOf(design)}`, design, owner }
    return this.#views
  }

  /** Views with a map, and those functions of theirs that have to be compiled. */
  viewParts(): { view: string; part: 'map' | 'reduce' }[] {
    return Object.entries(membersOf(this.#members['views'])).flatMap(([view, definition]) => {
      const { map, reduce } = membersOf(definition)
      if (typeof map !== 'string') return []
      const hasReduce = typeof reduce === 'string' && !reduce.startsWith('_')
      return hasReduce
        ? [
            { view, part: 'map' as const },
            { view, part: 'reduce' as const },
          ]
        : [{ view, part: 'map' as const }]
    })
  }

  /** The members of documents that the maps of these views look at. Undefined: they may look at any. */
  membersMapped(views: readonly string[]): Set<string> | undefined {
    const all = new Set<string>()
    const mapped = new Set(views)
    for (const { name, map, reduce } of this.writtenViews()) {
      // All run in one engine, where one could change what another meets.
      if (typeof map !== 'string' || (typeof reduce === 'string' && !isHarmless(reduce))) return undefined
      const members = membersRead(map)
      if (members === undefined && (mapped.has(name) || !isHarmless(map))) return undefined
      if (mapped.has(name)) for (const member of members!) all.add(member)
    }
    return all
  }

  /** Throws ScriptError unless something is there and its language is run. */
  require(path: readonly string[]): void {
    let found: unknown = this.#members
    for (const name of path) {
      const isThere = typeof found === 'object' && found !== null && Object.hasOwn(found, name)
      if (!isThere) {
        throw new ScriptError({ kind: 'missing', error: 'not_found', reason: `missing json key: ${name}` })
      }
      found = (found as Members)[name]
    }
    this.requireLanguage()
  }

  requireLanguage(): void {
    if (this.isJavaScript) return
    throw new ScriptError({ kind: 'language', error: 'unknown_query_language', reason: this.language })
  }
}

function membersOf(value: unknown): Members {
  return typeof value === 'object' && value !== null ? (value as Members) : {}
}

function hashOf(text: Uint8Array): string {
  return createHash('sha256').update(text).digest('hex')
}
