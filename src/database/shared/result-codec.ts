/**
 * Results of edits, as bytes for the thread that the edits came from: in the order of the encoded edits, without their
 * ids, which that thread has.
 *
 * | part | |
 * |---|---|
 * | u8 | version, 1 |
 * | n | results; for each: |
 * | u8 | 0 written, 1 refused, 2 refused and with a revision; of packed edits also 3, written as the revision that was told |
 * | b | with 0 and 2: the revision, UTF-8 |
 * | b, b | with 1 and 2: kind and reason of the refusal |
 */
import { ByteFormatError, ByteReader, ByteWriter } from '../../base/byte-codec.ts'
import type { EditResult } from '../api/database.ts'
import type { PackedResults } from '../write/apply-packed.ts'
import { readError, readText, writeError, writeText } from './text-codec.ts'

const VERSION = 1

const WRITTEN = 0
const REFUSED = 1
const REFUSED_WITH_REV = 2
/** Of packed edits: written as the revision that was told. */
const AS_TOLD = 3

const writer = new ByteWriter()

export function encodeResults(results: readonly EditResult[]): Buffer {
  writer.begin()
  writer.u8(VERSION)
  writer.number(results.length)
  for (const result of results) writeResult(result)
  return writer.take()
}

function writeResult(result: EditResult): void {
  const { ok, rev } = result
  writer.u8(ok ? WRITTEN : rev === undefined ? REFUSED : REFUSED_WITH_REV)
  if (rev !== undefined) writeText(writer, rev)
  if (!ok) writeError(writer, result.refusal)
}

/** Puts the results into their places, which are given in the order in which the edits were encoded. Throws ByteFormatError. */
export function decodeResults(
  bytes: Uint8Array,
  places: readonly { id: string; place: number }[],
  results: EditResult[],
): void {
  const reader = new ByteReader(bytes)
  requireCount(reader, places.length)
  for (const { id, place } of places) results[place] = readResult(reader, reader.u8(), id)
  if (!reader.atEnd) throw new ByteFormatError('bytes behind the last result')
}

function requireCount(reader: ByteReader, wanted: number): void {
  const version = reader.u8()
  if (version !== VERSION) throw new ByteFormatError(`results of version ${version}`)
  const count = reader.number()
  if (count !== wanted) throw new ByteFormatError(`${count} results of ${wanted} edits`)
}

function readResult(reader: ByteReader, kind: number, id: string): EditResult {
  if (kind > REFUSED_WITH_REV) throw new ByteFormatError(`unknown kind of result: ${kind}`)
  const rev = kind === REFUSED ? undefined : readText(reader)
  if (kind !== WRITTEN) return { ok: false, id, rev, refusal: readError(reader) }
  return { ok: true, id, rev: rev! }
}

/** The same of packed edits, in the order in which they are written. */
export function encodePackedResults(results: PackedResults): Buffer {
  writer.begin()
  writer.u8(VERSION)
  writer.number(results.length)
  for (const result of results) {
    if (result === undefined) writer.u8(AS_TOLD)
    else writeResult(result)
  }
  return writer.take()
}

/** Of so many edits, whose ids are asked for by number where they are needed. Throws ByteFormatError. */
export function decodePackedResults(
  bytes: Uint8Array,
  count: number,
  idOf: (number: number) => string,
): PackedResults {
  const reader = new ByteReader(bytes)
  requireCount(reader, count)
  const results: PackedResults = []
  for (let i = 0; i < count; i++) {
    const kind = reader.u8()
    results.push(kind === AS_TOLD ? undefined : readResult(reader, kind, idOf(i)))
  }
  if (!reader.atEnd) throw new ByteFormatError('bytes behind the last result')
  return results
}
