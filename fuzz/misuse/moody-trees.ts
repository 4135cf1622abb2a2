/**
 * The trees of the misuse target: their orders and summaries do what they should until a mood says otherwise, once, after
 * so many calls. What is stored is right all the same, as long as nobody is given the wrong answer.
 */
import type { Comparator, Reducer, TreeOptions } from '../../native-free-btree/index.ts'
import type { Random } from '../../test/support/random.ts'
import { edges, foldedDescending } from '../../test/support/test-trees.ts'
import { CallersError, detach } from './hostile-values.ts'

export type Mood = 'throws' | 'gives rubbish' | 'calls the library' | 'spoils its arguments'

export const MOODS: readonly Mood[] = ['throws', 'gives rubbish', 'calls the library', 'spoils its arguments']

export class MoodyTrees {
  readonly trees: Record<string, TreeOptions>
  /** Calls into the library, each of which must refuse. Throws when one does not. */
  intrude: () => void = () => undefined
  /** How often a mood came out. */
  readonly onMood: (mood: Mood) => void
  #mood: Mood | undefined
  #callsLeft = 0
  #random: Random

  constructor(random: Random, onMood: (mood: Mood) => void) {
    this.#random = random
    this.onMood = onMood
    this.trees = {
      plain: {},
      folded: { comparator: this.#comparator(foldedDescending) },
      summed: { reducer: this.#reducer(edges) },
      refs: { references: (value) => [value] },
    }
  }

  /** The mood comes out at the call after so many others, and is over then. */
  set(mood: Mood, calls: number): void {
    this.#mood = mood
    this.#callsLeft = calls
  }

  calm(): void {
    this.#mood = undefined
  }

  #due(): Mood | undefined {
    if (this.#mood === undefined || this.#callsLeft-- > 0) return undefined
    const mood = this.#mood
    this.#mood = undefined
    this.onMood(mood)
    return mood
  }

  #answer<T>(right: () => T, args: readonly Uint8Array[]): T {
    const mood = this.#due()
    if (mood === 'throws') throw new CallersError('a callback of the caller')
    if (mood === 'gives rubbish') {
      return this.#random.pick<unknown>([
        undefined,
        null,
        Number.NaN,
        'less',
        {},
        [],
        1n,
        Promise.resolve(0),
      ]) as T
    }
    if (mood === 'calls the library') this.intrude()
    const answer = right()
    if (mood === 'spoils its arguments') for (const bytes of args) this.#spoil(bytes)
    return answer
  }

  #spoil(bytes: Uint8Array): void {
    const { buffer } = bytes
    bytes.reverse()
    bytes.fill(0x55)
    if (this.#random.bool(0.3)) new Uint8Array(buffer).fill(0x66)
    // Memory that many share cannot be given away.
    if (buffer.byteLength < 100_000 && this.#random.bool(0.3)) {
      try {
        detach(bytes)
      } catch {
        return
      }
    }
  }

  #comparator({ name, version, compare }: Comparator): Comparator {
    return { name, version, compare: (a, b) => this.#answer(() => compare(a, b), [a, b]) }
  }

  #reducer({ name, version, maxBytes, map, combine }: Reducer): Reducer {
    // One piece of memory for all results, written over by the next.
    const room = Buffer.alloc(64)
    const again = (bytes: Uint8Array): Uint8Array => {
      room.set(bytes)
      return room.subarray(0, bytes.length)
    }
    return {
      name,
      version,
      maxBytes,
      map: (key, value) => this.#answer(() => again(map(key, value)), [key, value]),
      combine: (parts) => this.#answer(() => again(combine(parts)), parts),
    }
  }
}
