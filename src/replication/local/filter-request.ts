/** The request that a filter function of a local source sees: what a peer's would be, with `query_params` as its query. */
import { securityText } from '../../auth/security.ts'
import type { UserCtx } from '../../auth/user.ts'
import { type RandomBytes, randomHex } from '../../base/random.ts'
import type { Database } from '../../database/api/database.ts'

export function filterRequest(
  database: Database,
  owner: UserCtx,
  query: Readonly<Record<string, unknown>>,
  random: RandomBytes,
): Buffer {
  const { name, roles } = owner
  const path = [database.name, '_changes']
  const { updateSeq, docCount, docDelCount } = database.info()
  return Buffer.from(
    JSON.stringify({
      info: {
        db_name: database.name,
        update_seq: updateSeq,
        doc_count: docCount,
        doc_del_count: docDelCount,
      },
      uuid: randomHex(random, 16),
      id: null,
      method: 'GET',
      requested_path: path,
      path,
      raw_path: `/${path.map(encodeURIComponent).join('/')}`,
      query: Object.fromEntries(
        Object.entries(query).map(([key, value]) => [
          key,
          typeof value === 'string' ? value : JSON.stringify(value),
        ]),
      ),
      headers: {},
      body: 'undefined',
      peer: '',
      form: {},
      cookie: {},
      userCtx: { db: database.name, name, roles },
      secObj: JSON.parse(Buffer.from(securityText(database.security())).toString()) as unknown,
    }),
  )
}
