/** Roots of a tree that somebody reads while the tree goes on: what they show is copied before it is changed. */
import { invariant } from '../errors.ts'
import type { MutableNode } from '../page/mutable-node.ts'
import type { NodePointer } from '../page/pointer.ts'

/** A root: in memory, in the file, or (an empty tree) nowhere. */
export type Root = MutableNode | NodePointer | undefined

/** A root that somebody reads while the tree goes on; `epoch` is what `unshare` needs. */
export interface Share {
  readonly root: Root
  readonly epoch: number
}

/** The epochs of the shares that are held. */
export class Shares {
  /** In ascending order, with how many shares hold each. */
  readonly #held: { epoch: number; shares: number }[] = []
  /** The newest one held; 0 when there is none. */
  newestEpoch = 0

  add(epoch: number): void {
    const last = this.#held[this.#held.length - 1]
    if (last?.epoch === epoch) last.shares += 1
    else this.#held.push({ epoch, shares: 1 })
    this.newestEpoch = epoch
  }

  remove(epoch: number): void {
    // Most were taken last.
    let index = this.#held.length - 1
    while (index >= 0 && this.#held[index]!.epoch !== epoch) index -= 1
    const entry = this.#held[index]
    invariant(entry !== undefined, 'a share was given back twice')
    entry.shares -= 1
    if (entry.shares === 0) this.#held.splice(index, 1)
    this.newestEpoch = this.#held[this.#held.length - 1]?.epoch ?? 0
  }
}
