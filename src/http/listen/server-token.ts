import { COUCHDB_VERSION } from '../../base/version.ts'

/** The header `Server` of a server of this version. */
export function serverToken(version: string): string {
  return `CouchDB/${COUCHDB_VERSION} (Davenport/${version})`
}
