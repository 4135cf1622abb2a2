/** How bodies of documents may be packed, by the names that CouchDB's configuration has. The digit is the level of DEFLATE. */
export const COMPRESSIONS = [
  ...(['none', 'snappy'] as const),
  ...(['deflate_1', 'deflate_2', 'deflate_3', 'deflate_4', 'deflate_5'] as const),
  ...(['deflate_6', 'deflate_7', 'deflate_8', 'deflate_9'] as const),
] as const

export type Compression = (typeof COMPRESSIONS)[number]

/** Throws an Error that says what is allowed. */
export function compressionOf(name: string): Compression {
  const found = COMPRESSIONS.find((each) => each === name)
  if (found === undefined) throw new Error('none, snappy, or deflate_1 to deflate_9')
  return found
}
