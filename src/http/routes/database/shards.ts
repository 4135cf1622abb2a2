/**
 * `_shards` and `_sync_shards`. A database is one file on one node. What is told is how CouchDB would divide it into the shards
 * that were asked for (`q`): by the hash of an id, or of its partition. All of them are here, so nothing is left to bring in step.
 */
import { crc32 } from 'node:zlib'
import { NODE } from '../../../base/node-name.ts'
import { checkNamesPartition, partitionOf } from '../../../database/layout/partition.ts'
import type { Piece } from '../../../documents/piece.ts'
import { type Answer, json, jsonStream, ok } from '../../answer/answer.ts'
import type { Exchange } from '../../request/exchange.ts'
import type { Resource } from '../resource.ts'

/** How many hashes there are. */
const HASHES = 2 ** 32

function rangeName(shard: number, q: number): string {
  const size = Math.floor(HASHES / q)
  // The last one has what is left over.
  const last = shard === q - 1 ? HASHES - 1 : (shard + 1) * size - 1
  return [shard * size, last].map((hash) => hash.toString(16).padStart(8, '0')).join('-')
}

function* shardPieces(q: number): Generator<Piece> {
  yield '{"shards":{'
  for (let shard = 0; shard < q; shard++) {
    yield `${shard === 0 ? '' : ','}"${rangeName(shard, q)}":["${NODE}"]`
  }
  yield '}}\n'
}

function shards({ backend, database, place }: Exchange): Answer {
  const q = backend.databases.shardsOf(place.database!) ?? 1
  const { partitioned } = database.properties
  if (place.rest.length === 0) return jsonStream(200, shardPieces(q))
  const id = place.rest.join('/')
  if (partitioned) checkNamesPartition(id)
  const hashed = partitioned ? (partitionOf(id) ?? id) : id
  const shard = Math.min(Math.floor(crc32(hashed) / Math.floor(HASHES / q)), q - 1)
  return json(200, { range: rangeName(shard, q), nodes: [NODE] })
}

export const shardResources: Resource[] = [
  { route: 'db/_shards', endpoint: 'owns-rest', allow: 'GET', methods: { GET: shards } },
  { route: 'db/_sync_shards', endpoint: 'owns-rest', allow: 'POST', methods: { POST: () => ok(202) } },
]
