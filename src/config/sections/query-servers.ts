/** What functions of design documents may give: `[query_server_config]`. */
import { choice, integer, text } from '../setting.ts'

/** A number as CouchDB writes it. */
function ratio(input: string): number {
  const value = /^\d{1,9}(\.\d{1,9})?$/.test(input) ? Number(input) : Number.NaN
  if (Number.isNaN(value)) throw new Error('a number')
  return value
}

/** CouchDB's: no answer has so many rows. */
const MOST_ROWS = 2 ** 28

export const QUERY_SERVERS = {
  queryLimit: integer({
    section: 'query_server_config',
    key: 'query_limit',
    default: MOST_ROWS,
    min: 0,
    max: MOST_ROWS,
    infinity: MOST_ROWS,
    effect: 'live',
    doc: 'Rows of a view that a request may ask for, and gets at most.',
  }),
  partitionQueryLimit: integer({
    section: 'query_server_config',
    key: 'partition_query_limit',
    default: MOST_ROWS,
    min: 0,
    max: MOST_ROWS,
    infinity: MOST_ROWS,
    effect: 'live',
    doc: 'The same of a view of a partition.',
  }),
  reduceLimit: choice<'true' | 'false' | 'log'>({
    section: 'query_server_config',
    key: 'reduce_limit',
    default: 'true',
    values: ['true', 'false', 'log'],
    effect: 'live',
    doc: 'Whether a reduction that is about as long as what it was made of is an error; log: it is logged only.',
  }),
  reduceLimitThreshold: integer({
    section: 'query_server_config',
    key: 'reduce_limit_threshold',
    default: 5000,
    min: 0,
    max: 2 ** 31,
    effect: 'live',
    doc: 'Bytes that a reduction may always have.',
  }),
  reduceLimitRatio: text({
    section: 'query_server_config',
    key: 'reduce_limit_ratio',
    default: 2,
    parse: ratio,
    effect: 'live',
    doc: 'A longer reduction must be so many times shorter than what it was made of.',
  }),
}
