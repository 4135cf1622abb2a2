import { BINARY_HEAD_SIZE, PAIR_HEAD_SIZE, type TermWriter } from './term-writer.ts'

// The members of the objects that are open, innermost last, each as three integers: a hash of the key
// (DEAD once a later member took its place), where its pair starts in the term, and where it starts in the
// text. The keys themselves are read back from the term, where they stand unescaped. A nested object's
// members are dropped when it closes, so the members of one object always lie together.

const STRIDE = 3
const DEAD = -1
/** Up to here hashes are compared one by one. Beyond, a Map keeps the time linear, whatever keys are sent. */
const LINEAR_MEMBERS = 48

/** Finds repeated keys: of those the last value stays, in the last place. */
export class KeyTable {
  #cells = new Int32Array(256 * STRIDE)
  #maps: (Map<string, number> | undefined)[] = []
  /** Members held; an object notes it when it opens, and `close` sets it back. */
  size = 0

  /** Where member `index` starts in the term. */
  termStart(index: number): number {
    return this.#cells[index * STRIDE + 1]!
  }

  /** Where member `index` starts in the text. */
  textStart(index: number): number {
    return this.#cells[index * STRIDE + 2]!
  }

  /**
   * Adds the member whose pair starts at `termStart`, its key being already in the term, to the object that
   * noted `base`. Answers the index of the earlier member with the same key, which is dead now, or -1.
   */
  add(term: TermWriter, base: number, termStart: number, textStart: number): number {
    const index = this.size
    const at = index * STRIDE
    if (at + STRIDE > this.#cells.length) this.#grow()
    const hash = keyHash(term, termStart)
    const cells = this.#cells
    cells[at] = hash
    cells[at + 1] = termStart
    cells[at + 2] = textStart
    this.size = index + 1
    const twin =
      index - base < LINEAR_MEMBERS
        ? this.#findTwin(term, base, index, hash)
        : this.#mapFor(term, base, index)
    if (twin >= 0) cells[twin * STRIDE] = DEAD
    return twin
  }

  /** Forgets the members of the object that noted `base`. */
  close(base: number): void {
    if (this.size - base > LINEAR_MEMBERS) this.#maps[base] = undefined
    this.size = base
  }

  /** Forgets everything. */
  clear(): void {
    this.size = 0
    this.#maps.length = 0
    if (this.#cells.length > 65536 * STRIDE) this.#cells = new Int32Array(256 * STRIDE)
  }

  #findTwin(term: TermWriter, base: number, index: number, hash: number): number {
    const cells = this.#cells
    for (let i = index - 1; i >= base; i--) {
      if (cells[i * STRIDE] === hash && sameKey(term, cells[i * STRIDE + 1]!, cells[index * STRIDE + 1]!)) {
        return i
      }
    }
    return -1
  }

  #mapFor(term: TermWriter, base: number, index: number): number {
    let map = this.#maps[base]
    if (map === undefined) {
      map = new Map()
      for (let i = base; i < index; i++) map.set(keyText(term, this.termStart(i)), i)
      this.#maps[base] = map
    }
    const key = keyText(term, this.termStart(index))
    const twin = map.get(key) ?? -1
    map.set(key, index)
    return twin
  }

  #grow(): void {
    const grown = new Int32Array(this.#cells.length * 2)
    grown.set(this.#cells)
    this.#cells = grown
  }
}

/** FNV-1a without its sign bit, so that no key has the hash DEAD. */
function keyHash(term: TermWriter, termStart: number): number {
  const bytes = term.bytes
  const end = term.length
  let hash = 0x811c9dc5
  for (let i = termStart + PAIR_HEAD_SIZE + BINARY_HEAD_SIZE; i < end; i++) {
    hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  }
  return hash & 0x7fffffff
}

function sameKey(term: TermWriter, a: number, b: number): boolean {
  const bytes = term.bytes
  const size = term.binaryLength(a + PAIR_HEAD_SIZE) + BINARY_HEAD_SIZE
  const from = a + PAIR_HEAD_SIZE
  const to = b + PAIR_HEAD_SIZE
  for (let i = 0; i < size; i++) if (bytes[from + i] !== bytes[to + i]) return false
  return true
}

function keyText(term: TermWriter, termStart: number): string {
  const start = termStart + PAIR_HEAD_SIZE + BINARY_HEAD_SIZE
  return term.bytes.toString('latin1', start, start + term.binaryLength(termStart + PAIR_HEAD_SIZE))
}
