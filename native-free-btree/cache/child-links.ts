/**
 * Which cached page each child of a cached inner page is: who walks down a tree again and again needs neither the child's position, which
 * lies in a cell, nor the table of pages. Each of both is a miss or two of the processor's caches.
 *
 * Invariant: `parent.children[slot] === child` exactly where `child.parent === parent` and `child.slot === slot`. So a page that leaves
 * the cache is forgotten by its parent, and forgets its children, before its room is given to another page. A page has one parent here: of two
 * roots that share it, say of a snapshot and of the tree, the one by way of which it was reached last.
 *
 * Pages of the cache are never changed, so what is a child once is the child for as long as both are here.
 *
 * The pages themselves stand beside their rooms, and that they were used: of a leaf whoever walks down to it touches nothing but its
 * bytes. `parent.childPages[slot] === child.page` exactly where `child` is at `children[slot]`. A use that is noted here goes to the
 * child's room when the link ends, or when the room asks for it.
 */
import { cellCount } from '../page/layout.ts'
import type { PageRoom } from './page-rooms.ts'

/** What `chances` is right after a use: so often the hand passes a page that is a patch in the file; another, once. */
export const CHANCES = 2

/** `child` is the page that `parent` names at `slot`; both are in the cache now. */
export function linkChild(parent: PageRoom, slot: number, child: PageRoom): void {
  unlinkFromParent(child)
  if (parent.children === undefined) {
    const count = cellCount(parent.page)
    parent.children = new Array<PageRoom | undefined>(count).fill(undefined)
    parent.childPages = new Array<Buffer | undefined>(count).fill(undefined)
    parent.childUses = new Uint8Array(count)
  }
  parent.children[slot] = child
  parent.childPages![slot] = child.page
  child.parent = parent
  child.slot = slot
}

/** The page of the child at `slot`, if it is known to be here; it is used now. */
export function useChildPage(parent: PageRoom, slot: number): Buffer | undefined {
  const page = parent.childPages?.[slot]
  if (page !== undefined) parent.childUses![slot] = 1
  return page
}

/** A use that was noted with the parent is the room's from now on. */
export function collectUse(room: PageRoom): void {
  const { parent, slot } = room
  if (parent === undefined || parent.childUses![slot] === 0) return
  parent.childUses![slot] = 0
  room.chances = CHANCES
}

/** The page is about to leave the cache. */
export function unlink(room: PageRoom): void {
  unlinkFromParent(room)
  const { children } = room
  if (children === undefined) return
  for (const child of children) if (child !== undefined) unlinkFromParent(child)
  room.children = undefined
  room.childPages = undefined
  room.childUses = undefined
}

/** `to` stands for the page of `from` from now on. */
export function moveLinks(from: PageRoom, to: PageRoom): void {
  const { parent, slot, children, childPages, childUses } = from
  to.parent = parent
  to.slot = slot
  to.children = children
  to.childPages = childPages
  to.childUses = childUses
  if (parent !== undefined) {
    parent.children![slot] = to
    parent.childPages![slot] = to.page
  }
  if (children !== undefined) for (const child of children) if (child !== undefined) child.parent = to
  from.parent = undefined
  from.children = undefined
  from.childPages = undefined
  from.childUses = undefined
}

function unlinkFromParent(room: PageRoom): void {
  const { parent } = room
  if (parent === undefined) return
  collectUse(room)
  parent.children![room.slot] = undefined
  parent.childPages![room.slot] = undefined
  room.parent = undefined
}
