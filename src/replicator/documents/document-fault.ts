/** Why a document is no replication, in the words in which CouchDB refuses it: partly terms of Erlang. */
import { DatabaseError } from '../../base/errors.ts'

/** Reasons that are strings there and not binaries, which are printed differently. */
const STRINGS: ReadonlySet<string> = new Set([
  '`doc_ids`,`filter`,`selector` are mutually exclusive',
  '`proxy` is mutually exclusive with `source_proxy`',
  '`proxy` is mutually exclusive with `target_proxy`',
])

/** The document's own fault; undefined for any other error. */
export function documentFault(error: unknown): string | undefined {
  if (!(error instanceof DatabaseError)) return undefined
  if (error.kind === 'invalidReplication') return error.reason
  if (error.kind !== 'badRequest') return undefined
  const text = error.reason.replaceAll('\\', '\\\\').replaceAll('"', '\\"')
  return STRINGS.has(error.reason) ? `{throw,{bad_request,"${text}"}}` : `{throw,{bad_request,<<"${text}">>}}`
}
