/**
 * What the lab and a store in a process of its own say to each other: one JSON text a line, requests on the process's
 * standard input, answers on its standard output, in any order. Bytes are base64. docs/LAB.md has it with examples.
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

export const PROTOCOL = 1

export type Row = readonly ['put', key: string, value: string] | readonly ['delete', key: string]

export type Request =
  | { readonly do: 'hello'; readonly protocol: number }
  | {
      readonly do: 'open'
      readonly folder: string
      readonly settings: Readonly<Record<string, string>>
      readonly cacheBytes: number
    }
  | { readonly do: 'commit'; readonly durable: boolean; readonly ops: readonly Row[] }
  | { readonly do: 'get'; readonly key: string }
  | { readonly do: 'scan'; readonly start?: string; readonly limit?: number }
  | { readonly do: 'close' }

export function rowsOf(operations: readonly Operation[]): Row[] {
  return operations.map(({ key, value }) =>
    value === undefined
      ? ['delete', key.toString('base64')]
      : ['put', key.toString('base64'), value.toString('base64')],
  )
}

export function operationsOf(rows: readonly Row[]): Operation[] {
  return rows.map(([kind, key, value]) => ({
    key: Buffer.from(key, 'base64'),
    value: kind === 'put' ? Buffer.from(value ?? '', 'base64') : undefined,
  }))
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

/** The bytes of a text of base64; undefined for anything else. */
export function bytesOfText(value: unknown): Buffer | undefined {
  return typeof value === 'string' && BASE64.test(value) ? Buffer.from(value, 'base64') : undefined
}
