import { BINARY_HEAD_SIZE, PAIR_HEAD_SIZE, type TermWriter } from './term-writer.ts'

// The members of the objects that are open, innermost last, each as three integers: a hash of the key
// (DEAD once a later member took its place), where its pair starts in the term, and where it starts in the
// text. The hashes have an array of their own, because they are all searched at every member. The keys themselves are read back from the term, where they stand unescaped. A nested object's
// members are dropped when it closes, so the members of one object always lie together.

const INITIAL_CAPACITY = 256
const RETAINED_CAPACITY = 65536
const DEAD = -1
/** Up to here hashes are compared one by one. Beyond, a Map keeps the time linear, whatever keys are sent. */
const LINEAR_MEMBERS = 48

/** Finds repeated keys: of those the last value stays, in the last place. */
export class KeyTable {
  #hashes = new Int32Array(INITIAL_CAPACITY)
  #termStarts = new Int32Array(INITIAL_CAPACITY)
  #textStarts = new Int32Array(INITIAL_CAPACITY)
  #maps: (Map<string, number> | undefined)[] = []
  /** Members held; an object notes it when it opens, and `close` sets it back. */
  size = 0

  /** Where member `index` starts in the term. */
  termStart(index: number): number {
    return this.#termStarts[index]!
  }

  /** Where member `index` starts in the text. */
  textStart(index: number): number {
    return this.#textStarts[index]!
  }

  /**
   * Adds the member whose pair starts at `termStart`, its key being already in the term, to the object that
   * noted `base`. Answers the index of the earlier member with the same key, which is dead now, or -1.
   */
  add(term: TermWriter, base: number, termStart: number, textStart: number): number {
    const index = this.size
    if (index === this.#hashes.length) this.#resize(index * 2)
    const hash = keyHash(term, termStart)
    this.#hashes[index] = hash
    this.#termStarts[index] = termStart
    this.#textStarts[index] = textStart
    this.size = index + 1
    const twin =
      index - base < LINEAR_MEMBERS
        ? this.#findTwin(term, base, index, hash)
        : this.#mapFor(term, base, index)
    if (twin >= 0) this.#hashes[twin] = DEAD
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
    if (this.#maps.length > 0) this.#maps = []
    if (this.#hashes.length > RETAINED_CAPACITY) this.#resize(INITIAL_CAPACITY)
  }

  #findTwin(term: TermWriter, base: number, index: number, hash: number): number {
    const hashes = this.#hashes
    for (let i = base; i < index; i++) {
      if (hashes[i] === hash && sameKey(term, this.#termStarts[i]!, this.#termStarts[index]!)) return i
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

  #resize(capacity: number): void {
    this.#hashes = resized(this.#hashes, capacity)
    this.#termStarts = resized(this.#termStarts, capacity)
    this.#textStarts = resized(this.#textStarts, capacity)
  }
}

function resized(array: Int32Array, capacity: number): Int32Array<ArrayBuffer> {
  const other = new Int32Array(capacity)
  other.set(array.subarray(0, capacity))
  return other
}

/** Mixes a key four bytes at a time, without a sign bit, so that none has the hash DEAD. */
function keyHash(term: TermWriter, termStart: number): number {
  const view = term.view
  const end = term.length
  let at = termStart + PAIR_HEAD_SIZE + BINARY_HEAD_SIZE
  let hash = end - at
  for (; at + 4 <= end; at += 4) hash = mix(hash, view.getInt32(at, true))
  // The writer keeps a word of room behind what counts.
  if (at < end) hash = mix(hash, view.getInt32(at, true) & ((1 << (8 * (end - at))) - 1))
  return hash & 0x7fffffff
}

function mix(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, 0x9e3779b1)
  return mixed ^ (mixed >>> 15)
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
