/**
 * What the lab and a store in a process of its own say to each other: requests on the process's standard input, answers on
 * its standard output, in any order, each a line of JSON with base64 for bytes, or a frame of MessagePack (format.ts).
 * docs/LAB.md has it with examples.
 *
 *     {"id":1,"do":"hello","protocol":1}
 *     {"id":1,"ok":true,"name":"mine","capabilities":{…}}
 *     {"id":2,"do":"open","folder":"/tmp/x","settings":{},"cacheBytes":16777216}
 *     {"id":2,"ok":true,"scan":true}
 *     {"id":3,"do":"commit","durable":true,"ops":[["put","a2V5","dmFsdWU="],["delete","a2V5"]]}
 *     {"id":3,"ok":true}
 *     {"id":4,"do":"get","key":"a2V5"}
 *     {"id":4,"ok":true,"value":null}
 *     {"id":5,"do":"scan","start":"a2V5","limit":500}
 *     {"id":5,"ok":true,"entries":[["a2V5","dmFsdWU="]]}
 *     {"id":6,"do":"close"}
 *     {"id":6,"error":"what went wrong"}
 */
import type { Operation } from '../api.ts'
import type { PipeFormat, WireBytes } from './format.ts'

export const PROTOCOL = 1

export type Row = readonly ['put', key: WireBytes, value: WireBytes] | readonly ['delete', key: WireBytes]

export type Request =
  | { readonly do: 'hello'; readonly protocol: number }
  | {
      readonly do: 'open'
      readonly folder: string
      readonly settings: Readonly<Record<string, string>>
      readonly cacheBytes: number
    }
  | { readonly do: 'commit'; readonly durable: boolean; readonly ops: readonly Row[] }
  | { readonly do: 'get'; readonly key: WireBytes }
  | { readonly do: 'scan'; readonly start?: WireBytes; readonly limit?: number }
  | { readonly do: 'close' }

export function rowsOf(operations: readonly Operation[], { toWire }: PipeFormat): Row[] {
  return operations.map(({ key, value }) =>
    value === undefined ? ['delete', toWire(key)] : ['put', toWire(key), toWire(value)],
  )
}

/** Throws TypeError for what are no bytes. */
export function operationsOf(rows: readonly Row[], format: PipeFormat): Operation[] {
  return rows.map(([kind, key, value]) => ({
    key: bytesIn(key, format),
    value: kind === 'put' ? bytesIn(value, format) : undefined,
  }))
}

/** Throws TypeError for what are none. */
export function bytesIn(value: unknown, { fromWire }: PipeFormat): Buffer {
  const bytes = fromWire(value)
  if (bytes === undefined) throw new TypeError('bytes were due')
  return bytes
}
