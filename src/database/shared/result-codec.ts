/**
 * Results of edits, as bytes for the thread that the edits came from: in the order of the encoded edits, without their
 * ids, which that thread has.
 *
 * | part | |
 * |---|---|
 * | u8 | version, 1 |
 * | n | results; for each: |
 * | u8 | 0 written, 1 refused, 2 refused and with a revision |
 * | b | with 0 and 2: the revision, UTF-8 |
 * | b, b | with 1 and 2: kind and reason of the refusal |
 */
import { ByteFormatError, ByteReader, ByteWriter } from '../../base/byte-codec.ts'
import type { EditResult } from '../api/database.ts'
import { readError, readText, writeError, writeText } from './text-codec.ts'

const VERSION = 1

const WRITTEN = 0
const REFUSED = 1
const REFUSED_WITH_REV = 2

const writer = new ByteWriter()

export function encodeResults(results: readonly EditResult[]): Buffer {
  writer.begin()
  writer.u8(VERSION)
  writer.number(results.length)
  for (const result of results) {
    const { ok, rev } = result
    writer.u8(ok ? WRITTEN : rev === undefined ? REFUSED : REFUSED_WITH_REV)
    if (rev !== undefined) writeText(writer, rev)
    if (!ok) writeError(writer, result.refusal)
  }
  return writer.take()
}

/** Puts the results into their places, which are given in the order in which the edits were encoded. Throws ByteFormatError. */
export function decodeResults(
  bytes: Uint8Array,
  places: readonly { id: string; place: number }[],
  results: EditResult[],
): void {
  const reader = new ByteReader(bytes)
  const version = reader.u8()
  if (version !== VERSION) throw new ByteFormatError(`results of version ${version}`)
  const count = reader.number()
  if (count !== places.length) throw new ByteFormatError(`${count} results of ${places.length} edits`)
  for (const { id, place } of places) results[place] = readResult(reader, id)
  if (!reader.atEnd) throw new ByteFormatError('bytes behind the last result')
}

function readResult(reader: ByteReader, id: string): EditResult {
  const kind = reader.u8()
  if (kind > REFUSED_WITH_REV) throw new ByteFormatError(`unknown kind of result: ${kind}`)
  const rev = kind === REFUSED ? undefined : readText(reader)
  if (kind !== WRITTEN) return { ok: false, id, rev, refusal: readError(reader) }
  return { ok: true, id, rev: rev! }
}
