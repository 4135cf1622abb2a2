/**
 * Where the fields of a document stand in its stored bytes. What holds:
 * - A document is walked once at most for all of its fields on one level, and no further than to what was asked for.
 * - The body is looked into as it is stored; a whole text is put together only where members are wanted that are no part of
 *   it, `_id` and `_rev` excepted.
 */
import { advance, enter, isArrayAt, isObjectAt, isSameText, skipString, skipValue } from '../json/walk.ts'
import { stringText } from '../json/writer.ts'
import { SelectorBudget } from './budget.ts'
import { ASTRAY, type FieldPath, MISSING, pathStep } from './path.ts'

/** A document as it is stored. */
export interface StoredDocument {
  readonly id: string
  readonly rev: string
  /** Canonical JSON without the special members. */
  body(): Buffer
}

/** With more names on a level they are looked up, and not compared one after the other. */
const FEW_NAMES = 6
/** A value that is so long costs time to be walked over. */
export const LONG_VALUE_BYTES = 64 * 1024
const NOTHING = Buffer.alloc(0)

/** One field. */
export class Field {
  readonly #parent: Field | undefined
  readonly #nameText: Buffer
  readonly #index: number
  readonly #fields: FieldsOfDocument
  readonly #children = new Map<string, Field>()
  /** By the text of their names, where they are many. */
  readonly #byText = new Map<string, Field>()
  #text: Buffer = NOTHING
  #at = MISSING
  /** Of which document that is. */
  #turn = 0
  /** The next member's name; MISSING when there is none, or when it is behind the value at `#passed`. */
  #next = MISSING
  #passed = MISSING

  constructor(fields: FieldsOfDocument, parent: Field | undefined, name: string) {
    this.#fields = fields
    this.#parent = parent
    const { nameText, index } = pathStep(name)
    this.#nameText = nameText
    this.#index = index
  }

  /** The bytes that `find()` gives a position in. */
  get text(): Buffer {
    return this.#text
  }

  child(name: string): Field {
    const known = this.#children.get(name)
    if (known !== undefined) return known
    const made = new Field(this.#fields, this, name)
    this.#children.set(name, made)
    this.#byText.set(made.#nameText.toString('latin1'), made)
    return made
  }

  /** Where the value begins in `text`, or MISSING or ASTRAY. */
  find(): number {
    const { turn } = this.#fields
    if (this.#turn === turn) return this.#at
    const parent = this.#parent
    const given = this.#fields.given(this)
    if (given !== undefined) this.#set(turn, given, 0)
    else if (parent !== undefined) this.#findIn(parent, parent.find(), turn)
    return this.#at
  }

  #findIn(parent: Field, at: number, turn: number): void {
    if (at < 0) this.#set(turn, NOTHING, at)
    else if (isObjectAt(parent.#text, at)) parent.#walkMembers(turn, this)
    else if (isArrayAt(parent.#text, at) && this.#index >= 0) parent.#walkElements(turn, this)
    else this.#set(turn, NOTHING, ASTRAY)
  }

  #set(turn: number, text: Buffer, at: number): void {
    this.#turn = turn
    this.#text = text
    this.#at = at
    this.#next = at >= 0 && isObjectAt(text, at) ? enter(text, at) : MISSING
    this.#passed = MISSING
  }

  /** Goes on through the members until `wanted` is met; all that somebody may want on the way are noted. */
  #walkMembers(turn: number, wanted: Field): void {
    const text = this.#text
    if (this.#passed >= 0) this.#next = this.#behind(this.#passed)
    this.#passed = MISSING
    while (this.#next >= 0) {
      const name = this.#next
      const nameEnd = skipString(text, name)
      const met = this.#named(text, name, nameEnd)
      if (met !== undefined) met.#set(turn, text, nameEnd + 1)
      if (met === wanted) {
        this.#next = MISSING
        this.#passed = nameEnd + 1
        return
      }
      this.#next = this.#behind(nameEnd + 1)
    }
    wanted.#set(turn, NOTHING, MISSING)
  }

  /** Elements are counted from the first one on for each index: few ask for more than one. */
  #walkElements(turn: number, wanted: Field): void {
    const text = this.#text
    let at = enter(text, this.#at)
    for (let index = 0; at >= 0 && index < wanted.#index; index++) at = this.#behind(at)
    wanted.#set(turn, text, at < 0 ? ASTRAY : at)
  }

  #behind(value: number): number {
    const end = skipValue(this.#text, value)
    this.#fields.walked(end - value)
    return advance(this.#text, end)
  }

  #named(text: Buffer, name: number, nameEnd: number): Field | undefined {
    if (this.#children.size > FEW_NAMES) return this.#byText.get(text.toString('latin1', name, nameEnd))
    for (const child of this.#children.values()) {
      const wanted = child.#nameText
      if (isSameText(text, name, nameEnd, wanted, 0, wanted.length)) return child
    }
    return undefined
  }
}

/** What a field asks of its document. */
interface FieldsOfDocument {
  /** Another number for each document. */
  readonly turn: number
  /** The text of a field that is found without its parent. */
  given(field: Field): Buffer | undefined
  /** That so many bytes were walked over. Throws selectorTimeout. */
  walked(bytes: number): void
}

/** The fields of documents that somebody wants, one document at a time. */
export class DocumentFields<Document extends StoredDocument> implements FieldsOfDocument {
  readonly #whole: (document: Document) => Buffer
  readonly #budget: SelectorBudget
  readonly #root: Field
  #needsWhole = false
  /** Whether anything but the id and the revision is asked for. */
  #needsText = false
  #id: Field | undefined
  #rev: Field | undefined
  #document: Document | undefined
  turn = 0

  /** `whole`: the text of a document with its special members. */
  constructor(whole: (document: Document) => Buffer, budget = new SelectorBudget()) {
    this.#whole = whole
    this.#budget = budget
    this.#root = new Field(this, undefined, '')
  }

  /** The document as a whole for the empty path. */
  field(path: FieldPath): Field {
    const [first, ...rest] = path
    if (first === undefined) {
      this.#needsWhole = true
      this.#needsText = true
      return this.#root
    }
    let field = this.#root.child(first)
    if (first === '_id') this.#id = field
    else if (first === '_rev') this.#rev = field
    else {
      this.#needsText = true
      if (first.startsWith('_')) this.#needsWhole = true
    }
    for (const name of rest) field = field.child(name)
    return field
  }

  /**
   * From now on fields are this document's, as long as its bytes are. The text is fetched here, where it is wanted: what that
   * takes is no part of what a selector may take.
   */
  open(document: Document): void {
    this.#document = document
    this.turn += 1
    if (this.#needsText) this.#root.find()
  }

  given(field: Field): Buffer | undefined {
    const document = this.#document!
    if (field === this.#root) return this.#needsWhole ? this.#whole(document) : document.body()
    if (this.#needsWhole) return undefined
    if (field === this.#id) return Buffer.from(stringText(document.id))
    return field === this.#rev ? Buffer.from(stringText(document.rev)) : undefined
  }

  walked(bytes: number): void {
    if (bytes >= LONG_VALUE_BYTES) this.#budget.requireTime()
    else this.#budget.step()
  }
}
