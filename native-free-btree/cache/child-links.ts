/**
 * Which cached page each child of a cached inner page is: who walks down a tree again and again needs neither the child's position, which
 * lies in a cell, nor the table of pages. Each of both is a miss or two of the processor's caches.
 *
 * Invariant: `parent.children[slot] === child` exactly where `child.parent === parent` and `child.slot === slot`. So a page that leaves
 * the cache is forgotten by its parent, and forgets its children, before its room is given to another page. A page has one parent here: of two
 * roots that share it, say of a snapshot and of the tree, the one by way of which it was reached last.
 *
 * Pages of the cache are never changed, so what is a child once is the child for as long as both are here.
 */
import { cellCount } from '../page/layout.ts'
import type { PageRoom } from './page-rooms.ts'

/** `child` is the page that `parent` names at `slot`; both are in the cache now. */
export function linkChild(parent: PageRoom, slot: number, child: PageRoom): void {
  unlinkFromParent(child)
  parent.children ??= new Array<PageRoom | undefined>(cellCount(parent.page)).fill(undefined)
  parent.children[slot] = child
  child.parent = parent
  child.slot = slot
}

/** The page is about to leave the cache. */
export function unlink(room: PageRoom): void {
  unlinkFromParent(room)
  const { children } = room
  if (children === undefined) return
  for (const child of children) if (child !== undefined) child.parent = undefined
  room.children = undefined
}

/** `to` stands for the page of `from` from now on. */
export function moveLinks(from: PageRoom, to: PageRoom): void {
  const { parent, slot, children } = from
  to.parent = parent
  to.slot = slot
  to.children = children
  if (parent !== undefined) parent.children![slot] = to
  if (children !== undefined) for (const child of children) if (child !== undefined) child.parent = to
  from.parent = undefined
  from.children = undefined
}

function unlinkFromParent(room: PageRoom): void {
  const { parent } = room
  if (parent === undefined) return
  parent.children![room.slot] = undefined
  room.parent = undefined
}
