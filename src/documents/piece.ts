/**
 * What a text is made of while it is sent: text, bytes, a source of either that is read when its turn comes, `FLUSH`: what
 * was gathered goes out now, or `PAUSE`: others get their turn. A source must hold nothing until it is read.
 */
export type Piece = string | Uint8Array | PieceSource | typeof FLUSH | typeof PAUSE

export type PieceSource = AsyncIterable<string | Uint8Array>

export const FLUSH: unique symbol = Symbol('flush')
export const PAUSE: unique symbol = Symbol('pause')
