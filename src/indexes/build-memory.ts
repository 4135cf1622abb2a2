/**
 * Memory of builds that is used again: many pieces of few sizes, kept over V8's collections, which what `SpareMemory` of src/base
 * keeps does not outlive. V8 counts what lies beside its heap, and where a few megabytes of it have come to the old
 * generation it collects that: a thread whose heap is small would do so several times in a build, and the marking is done by
 * threads that all threads of the process share, at the priority of those that answer requests. What holds:
 * - A piece has one owner: who took it, or this list. Who gives it back has nobody who looks at it.
 * - What is kept is bounded, and all of it goes when nothing was taken for a while (`forgetSpareMemory`).
 */

/** Sizes are powers of two, from here on. */
const LEAST_BYTES = 64 * 1024
/** Larger ones are rare. */
const MOST_PIECE_BYTES = 16 * 1024 * 1024
const MOST_KEPT_BYTES = 48 * 1024 * 1024

const spare = new Map<number, ArrayBuffer[]>()
let keptBytes = 0

/** At least so many bytes, which hold anything. */
export function takeMemory(bytes: number): ArrayBuffer {
  const size = sizeFor(bytes)
  const piece = spare.get(size)?.pop()
  if (piece === undefined) return Buffer.allocUnsafeSlow(size).buffer as ArrayBuffer
  keptBytes -= size
  return piece
}

/** What `takeMemory` gave. */
export function giveMemoryBack(piece: ArrayBuffer): void {
  const { byteLength } = piece
  if (byteLength < LEAST_BYTES || byteLength > MOST_PIECE_BYTES) return
  if (keptBytes + byteLength > MOST_KEPT_BYTES) return
  const pieces = spare.get(byteLength) ?? []
  spare.set(byteLength, pieces)
  pieces.push(piece)
  keptBytes += byteLength
}

export function forgetSpareMemory(): void {
  spare.clear()
  keptBytes = 0
}

/** Bytes that are kept, for tests. */
export function spareMemoryBytes(): number {
  return keptBytes
}

function sizeFor(bytes: number): number {
  let size = LEAST_BYTES
  while (size < bytes) size *= 2
  return size
}
