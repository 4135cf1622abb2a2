import { existsSync, readFileSync } from 'node:fs'

/** Of the CouchDB that this server answers as. */
export const COUCHDB_VERSION = '3.5.2'

/** The version in the package's own package.json, which lies above the sources and above what is built. */
export function packageVersion(): string {
  for (let folder = new URL('.', import.meta.url); ; folder = new URL('..', folder)) {
    const file = new URL('package.json', folder)
    if (existsSync(file)) return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
    if (folder.pathname === '/') return 'unknown'
  }
}
