import type { Piece } from '../../documents/piece.ts'

export type Headers = Record<string, string>

export interface Answer {
  status: number
  headers: Headers
  body?: string | Uint8Array | undefined
  /** In place of a body: read while it is sent. */
  pieces?: Iterator<Piece> | AsyncIterator<Piece, void, void> | undefined
  /** It is JSON, which the client must take. */
  isJson?: boolean | undefined
}

const JSON_TYPE = 'application/json'
/** What Go's net/http makes of JSON that is written without a type. */
const SNIFFED_TYPE = 'text/plain; charset=utf-8'

/** JSON of a value, or a text of it that is made already. */
export function json(
  value: unknown,
  { status = 200, headers = {} }: { status?: number; headers?: Headers } = {},
): Answer {
  return {
    status,
    headers: { 'Content-Type': JSON_TYPE, ...headers },
    body: `${JSON.stringify(value)}\n`,
    isJson: true,
  }
}

export function jsonPieces(pieces: Iterable<Piece>, headers: Headers = {}, status = 200): Answer {
  return {
    status,
    headers: { 'Content-Type': JSON_TYPE, ...headers },
    pieces: pieces[Symbol.iterator](),
    isJson: true,
  }
}

/** JSON that the gateway has always sent as text. */
export function textJson(value: unknown): Answer {
  return { status: 200, headers: { 'Content-Type': SNIFFED_TYPE }, body: JSON.stringify(value) }
}

export function empty(status = 200, headers: Headers = {}): Answer {
  return { status, headers }
}
