import { createHash } from 'node:crypto'

/** The ETag of an answer that no revision names: the md5 of what it depends on, in base 36 as CouchDB's. */
export function contentEtag(...parts: (string | Uint8Array)[]): string {
  const hash = createHash('md5')
  for (const part of parts) hash.update(part).update('\0')
  return `"${BigInt(`0x${hash.digest('hex')}`)
    .toString(36)
    .toUpperCase()}"`
}
