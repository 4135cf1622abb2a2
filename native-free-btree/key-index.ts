/**
 * The last operation of a group on each key of one tree: an open-addressing table of operation numbers. Keys are
 * compared where they lie in the group's buffer, so that no object is made for one.
 */
import type { GroupBuilder } from './group-builder.ts'

const FIRST_SLOTS = 64

export class KeyIndex {
  readonly #builder: GroupBuilder
  /** Operation number + 1; 0: empty. At most half of it is taken. */
  #slots = new Int32Array(FIRST_SLOTS)
  #taken = 0

  constructor(builder: GroupBuilder) {
    this.#builder = builder
  }

  /** Notes that `operation` is the last on its key. */
  add(operation: number): void {
    if (this.#taken * 2 >= this.#slots.length) this.#grow()
    const { bytes, keyStarts, keyEnds } = this.#builder
    const slot = this.#slotOf(bytes, keyStarts[operation]!, keyEnds[operation]!)
    if (this.#slots[slot] === 0) this.#taken += 1
    this.#slots[slot] = operation + 1
  }

  /** Undefined when the group has no operation on `key`. */
  last(key: Uint8Array): number | undefined {
    const found = this.#slots[this.#slotOf(key, 0, key.length)]!
    return found === 0 ? undefined : found - 1
  }

  /** Where the key is, or would go. */
  #slotOf(bytes: Uint8Array, start: number, end: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let slot = hashOf(bytes, start, end) & mask; ; slot = (slot + 1) & mask) {
      const found = slots[slot]!
      if (found === 0 || this.#isKeyOf(found - 1, bytes, start, end)) return slot
    }
  }

  #isKeyOf(operation: number, bytes: Uint8Array, start: number, end: number): boolean {
    const { bytes: own, keyStarts, keyEnds } = this.#builder
    const from = keyStarts[operation]!
    if (keyEnds[operation]! - from !== end - start) return false
    for (let i = start; i < end; i++) if (own[from + i - start] !== bytes[i]) return false
    return true
  }

  #grow(): void {
    const old = this.#slots
    const { bytes, keyStarts, keyEnds } = this.#builder
    this.#slots = new Int32Array(old.length * 4)
    for (const found of old) {
      if (found === 0) continue
      this.#slots[this.#slotOf(bytes, keyStarts[found - 1]!, keyEnds[found - 1]!)] = found
    }
  }
}

/** FNV-1a, then mixed: ids that count up differ in their last bytes only. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  return hash ^ (hash >>> 15)
}
