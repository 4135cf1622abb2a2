import type { Backup } from '../../../../native-free-btree/index.ts'
import { DatabaseError } from '../../../base/errors.ts'
import type { PieceSource } from '../../../documents/piece.ts'
import type { Answer } from '../../answer/answer.ts'
import { contentRange, parseByteRanges } from '../../request/byte-range.ts'
import type { Exchange } from '../../request/exchange.ts'
import type { Resource } from '../resource.ts'

/**
 * `GET /_backup/{db}`, as Gouch has it: the database's file, as of the last commit, while it is written. Its etag is
 * that of the file: parts that were fetched under one etag make a sound file together, whatever was written
 * meanwhile, so a download that broke off goes on with a range.
 */
async function backup(exchange: Exchange): Promise<Answer> {
  if (exchange.place.database === undefined || exchange.place.rest.length > 0)
    throw new DatabaseError('noDatabaseFile')
  try {
    await exchange.openDatabase()
  } catch (error) {
    const isMissing = error instanceof DatabaseError && error.kind === 'noDatabase'
    throw isMissing ? new DatabaseError('noDatabaseFile') : error
  }
  return answerOf(exchange, exchange.database.backup())
}

function answerOf(exchange: Exchange, copy: Backup): Answer {
  const { length } = copy
  const etag = `"${copy.salt.toString(16)}"`
  const condition = exchange.header('if-range')
  const header = condition === undefined || condition === etag ? exchange.header('range') : undefined
  // Several ranges at once are nobody's backup: they get the whole.
  const [range, more] = parseByteRanges(header, length) ?? []
  const partial = range !== undefined && more === undefined
  const { start, end } = partial ? range : { start: 0, end: length - 1 }
  const name = exchange.place.database!.replace(/[^\w$()+-]/g, '_')
  const headers: Record<string, string> = {
    'accept-ranges': 'bytes',
    'content-disposition': `attachment; filename="${name}.davenport"`,
    'content-length': String(end + 1 - start),
    'content-type': 'application/octet-stream',
    etag,
  }
  if (partial) headers['content-range'] = contentRange(range, length)
  return { kind: 'streamed', status: partial ? 206 : 200, headers, pieces: pieces(copy, start, end + 1) }
}

function* pieces(copy: Backup, start: number, end: number): Generator<PieceSource> {
  yield copy.bytes(start, end)
}

export const backupResources: Resource[] = [
  {
    route: '_backup',
    endpoint: 'owns-database',
    allow: 'GET,HEAD',
    methods: { GET: backup },
  },
]
