import { continuousPieces, resultPieces } from '../changes/changes-feed.ts'
import { type ChangesOptions, optionsOfRequest } from '../changes/changes-options.ts'
import { piecesOfDocuments } from '../changes/changes-pass.ts'
import type { Answer } from './answer.ts'
import type { Exchange } from './exchange.ts'

const NO_CACHE = { 'Cache-Control': 'private, max-age=0, no-cache, no-store' }

/** Throws 400. As in Sync Gateway, a body of options may be of any type. */
export async function changesOptions(exchange: Exchange): Promise<ChangesOptions> {
  const body = exchange.method === 'POST' ? await exchange.json('filter', true) : undefined
  return optionsOfRequest(exchange.query, body, exchange.gateway.config.maxHeartbeatSeconds)
}

export async function changes(exchange: Exchange): Promise<Answer> {
  const options = await changesOptions(exchange)
  const { database, readerNow, followerNow, gone, gateway } = exchange
  if (options.feed === 'websocket') {
    return { status: 400, headers: {}, body: 'not websocket protocol' }
  }
  if (options.ids !== undefined) {
    const pieces = piecesOfDocuments(database, readerNow, options)
    return { status: 200, headers: { 'Content-Type': 'application/json', ...NO_CACHE }, pieces }
  }
  const reader = options.feed === 'normal' ? readerNow : followerNow
  const parts = { database, reader, options, clock: gateway.clock, gone }
  // What is refused is refused before anything is sent.
  reader()
  if (options.feed === 'continuous') {
    return {
      status: 200,
      headers: { 'Content-Type': 'application/octet-stream', ...NO_CACHE },
      pieces: continuousPieces(parts),
    }
  }
  return {
    status: 200,
    headers: { 'Content-Type': 'application/json', ...NO_CACHE },
    pieces: resultPieces(parts),
  }
}
