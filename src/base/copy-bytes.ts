/** Longer pieces are copied by a call, for which a view of them is made. */
const SHORT_BYTES = 128

/** Copies `length` bytes; short pieces without leaving JavaScript. */
export function copyBytes(
  source: Uint8Array,
  from: number,
  target: Uint8Array,
  to: number,
  length: number,
): void {
  if (length > SHORT_BYTES) target.set(source.subarray(from, from + length), to)
  else for (let i = 0; i < length; i++) target[to + i] = source[from + i]!
}
