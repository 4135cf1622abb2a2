/**
 * Where a page came from: what it has in common with its base, a page that lies whole in the file. A patch (patch.ts) says
 * what is different.
 */
import { cellOffset, copyPage, slotsEnd } from './layout.ts'

/** A node goes out as a patch while that takes no more than this share of the whole. */
export const PATCH_SHARE = 0.17

/** Where a page lies whole in the file. */
export interface PagePlace {
  readonly position: number
  readonly length: number
  readonly hash: bigint
}

/** What a page has in common with its base. */
export interface PageOrigin {
  readonly base: PagePlace
  /** Cells from here to the end of the page are the base's, in its order; those before are not. */
  readonly baseTop: number
  /** Slots of the base whose cells are gone, ascending. */
  readonly removed: readonly number[]
  /** Slots of the base whose cells are here with another payload of the same length, ascending. */
  readonly changed: readonly number[]
}

/** A page as it is kept in memory. Its cells begin at `top`, with `garbage` bytes of gaps between them. */
export interface KeptPage {
  readonly page: Buffer
  readonly top: number
  readonly garbage: number
  /** Undefined: the page itself lies whole in the file. */
  readonly origin: PageOrigin | undefined
}

/** A page as it lies in the file: nothing is between its slots and its cells, nor between those. */
export function wholePage(page: Buffer): KeptPage {
  return { page, top: slotsEnd(page), garbage: 0, origin: undefined }
}

/** Bytes that a page has but for the room between its slots and its cells. */
export function filledBytes({ page, top }: KeptPage): number {
  return slotsEnd(page) + page.length - top
}

/** A copy of a page in `target`, which has `filledBytes` at least and is not empty. */
export function copyOfPage({ page, top, garbage, origin }: KeptPage, target: Buffer): KeptPage {
  const shift = copyPage(page, top, target)
  return { page: target, top: top + shift, garbage, origin: shiftedOrigin(origin, shift) }
}

function shiftedOrigin(origin: PageOrigin | undefined, shift: number): PageOrigin | undefined {
  if (origin === undefined || shift === 0) return origin
  const { base, baseTop, removed, changed } = origin
  return { base, baseTop: baseTop + shift, removed, changed }
}

const NONE: readonly number[] = []

/** The origin of a page that is being changed: whoever changes a cell of the base notes it here before. */
export class ChangingOrigin implements PageOrigin {
  readonly base: PagePlace
  baseTop: number
  /** Lists are never changed but replaced: most pages share the empty one, and copies of a page share theirs. */
  removed: readonly number[]
  changed: readonly number[]

  private constructor({ base, baseTop, removed, changed }: PageOrigin) {
    this.base = base
    this.baseTop = baseTop
    this.removed = removed
    this.changed = changed
  }

  /** The origin of a page that is about to change; `place` is where the page lies in the file. */
  static of({ origin, top }: KeptPage, place: PagePlace): ChangingOrigin {
    if (origin !== undefined) return new ChangingOrigin(origin)
    // Pages keep it as long as they are in memory: nothing else that is known of the place is to stay with it.
    const { position, length, hash } = place
    return new ChangingOrigin({
      base: { position, length, hash },
      baseTop: top,
      removed: NONE,
      changed: NONE,
    })
  }

  clone(): ChangingOrigin {
    return new ChangingOrigin(this)
  }

  /** Notes that cell `index` of the page, one of the base's, goes. */
  noteRemoved(page: Buffer, index: number): void {
    const slot = this.#baseSlot(page, index)
    if (this.changed.includes(slot)) this.changed = this.changed.filter((changed) => changed !== slot)
    this.removed = withAscending(this.removed, slot)
  }

  /** Notes that cell `index` of the page, one of the base's, gets another payload. */
  noteChanged(page: Buffer, index: number): void {
    const slot = this.#baseSlot(page, index)
    if (!this.changed.includes(slot)) this.changed = withAscending(this.changed, slot)
  }

  /** Which slot of the base had the cell that is cell `index` of the page now. */
  #baseSlot(page: Buffer, index: number): number {
    let slot = 0
    for (let i = 0; i < index; i++) if (cellOffset(page, i) >= this.baseTop) slot += 1
    for (const gone of this.removed) {
      if (gone > slot) break
      slot += 1
    }
    return slot
  }
}

function withAscending(numbers: readonly number[], one: number): readonly number[] {
  let at = numbers.length
  while (at > 0 && numbers[at - 1]! > one) at -= 1
  const longer = new Array<number>(numbers.length + 1)
  for (let i = 0; i < at; i++) longer[i] = numbers[i]!
  longer[at] = one
  for (let i = at; i < numbers.length; i++) longer[i + 1] = numbers[i]!
  return longer
}
