/**
 * What the clients know of things that one client alone writes, with a number that rises: a read that began after the
 * acknowledgement of a number, or after another read had shown it, shows that number or a later one.
 */
export class Register {
  /** What every read that begins now shows at least. */
  floor = 0
  /** The last that was sent. */
  sent = 0
  /** Whether the last that was sent may or may not have been done. */
  isInDoubt = false

  begin(): number {
    this.sent += 1
    this.isInDoubt = true
    return this.sent
  }

  acknowledge(number: number): void {
    this.floor = Math.max(this.floor, number)
    this.isInDoubt = false
  }

  /** What is wrong with `number` in a read that began when `floor` was `before`. */
  seen(before: number, number: number): string | undefined {
    if (number < before) return `shows ${number} after ${before}`
    if (number > this.sent) return `shows ${number}, which nobody wrote (${this.sent} is the last)`
    this.floor = Math.max(this.floor, number)
    return undefined
  }
}

/** A version of a document. */
export interface Version {
  readonly generation: number
  readonly rev: string
  /** A lower bound where `isExact` is false: a tombstone made by DELETE says no number. */
  readonly number: number
  readonly isExact: boolean
  readonly deleted: boolean
}

/** What a read showed of a document that is there, or of a deletion. */
export interface Found {
  readonly rev: string
  readonly number?: number | undefined
  readonly deleted?: boolean | undefined
}

export type DocumentKind = 'plain' | 'attached'

const NEVER: Version = { generation: 0, rev: '', number: 0, isExact: true, deleted: true }

export class NumberedDocument {
  readonly id: string
  readonly kind: DocumentKind
  /** What every read that begins now shows, or something later. */
  floor: Version = NEVER
  isInDoubt = false
  #sent = 0
  #lastDeletion = 0

  constructor(id: string, kind: DocumentKind) {
    this.id = id
    this.kind = kind
  }

  begin(deleted: boolean): number {
    this.#sent += 1
    this.isInDoubt = true
    if (deleted) this.#lastDeletion = this.#sent
    return this.#sent
  }

  acknowledge(number: number, rev: string, deleted: boolean): string | undefined {
    const generation = Number.parseInt(rev, 10)
    this.isInDoubt = false
    if (generation === this.floor.generation && rev !== this.floor.rev) {
      return `${rev} was acknowledged, and ${this.floor.rev} was shown`
    }
    if (generation >= this.floor.generation) this.floor = { generation, rev, number, isExact: true, deleted }
    return undefined
  }

  /** What is wrong with a read that began at `before` and found no document. */
  absent(before: Version): string | undefined {
    if (before.deleted || this.#lastDeletion > before.number) return undefined
    return `is missing after ${before.rev} with number ${before.number}`
  }

  /** What is wrong with `number` in the attachment that a read which began at `before` has found. */
  attached(before: Version, number: number): string | undefined {
    if (number >= before.number && number <= this.#sent) return undefined
    return `has attachment ${number}, after ${before.number}; sent ${this.#sent}`
  }

  /** What is wrong with what a read that began at `before` has found. */
  seen(before: Version, { rev, number: shownNumber, deleted = false }: Found): string | undefined {
    // An attachment that is sent by itself leaves the body and its number as they were.
    const number = this.kind === 'attached' ? undefined : shownNumber
    const generation = Number.parseInt(rev, 10)
    const shown = `shows ${rev} with number ${number}`
    const known = `${before.rev} with number ${before.number}`
    if (generation < before.generation) return `${shown} after ${known}`
    if (generation === before.generation && rev !== before.rev) return `${shown} beside ${known}`
    if (rev === before.rev && deleted !== before.deleted)
      return `${shown}, deleted: ${deleted}, unlike ${known}`
    if (number !== undefined) {
      if (number < before.number || number > this.#sent) return `${shown} after ${known}; sent ${this.#sent}`
      if (rev === before.rev && before.isExact && number !== before.number) return `${shown}, not as ${known}`
    }
    if (generation > this.floor.generation) {
      const least = number ?? this.floor.number
      this.floor = { generation, rev, number: least, isExact: number !== undefined, deleted }
    }
    return undefined
  }
}

/** A database that stays, and what is known of it. Every client has documents of its own. */
export class NumberedDatabase {
  readonly name: string
  readonly documents = new Map<string, NumberedDocument>()
  readonly security = new Register()
  readonly locals = new Map<string, Register>()
  /** Members of one document, each written by the patches of one client. */
  readonly members = new Map<string, Register>()

  constructor(name: string) {
    this.name = name
  }

  add(id: string, kind: DocumentKind): NumberedDocument {
    const document = new NumberedDocument(id, kind)
    this.documents.set(id, document)
    return document
  }

  /** The floors as they are now: what a read that begins now has to show. */
  floors(): Map<string, Version> {
    return new Map([...this.documents].map(([id, { floor }]) => [id, floor]))
  }
}
