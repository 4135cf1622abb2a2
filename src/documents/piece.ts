import type { Gathered } from './gathered.ts'

/**
 * What a text is made of while it is sent: text, bytes, a source of either that is read when its turn comes, `FLUSH`: what
 * was gathered goes out now, or `PAUSE`: others get their turn. A source must hold nothing until it is read.
 */
export type Piece = string | Uint8Array | PieceSource | typeof FLUSH | typeof PAUSE

export type PieceSource = AsyncIterable<string | Uint8Array>

/**
 * Rows that write themselves to where an answer is gathered: some at each call, about as many as can be written before somebody asks
 * whether others are to get their turn. False: there are no more.
 */
export interface RowFiller {
  fill(out: Gathered): boolean
}

export const FLUSH: unique symbol = Symbol('flush')
export const PAUSE: unique symbol = Symbol('pause')
