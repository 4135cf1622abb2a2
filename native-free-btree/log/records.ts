/** The bounds of records, for whoever wants to know where one ends and not what it says. */
import type { ByteReader } from '../disk/bytes.ts'
import { RECORD_DELETE, RECORD_PUT } from '../format.ts'
import { CellView, readCell } from '../page/cell.ts'
import { bytesBehindType } from './replay.ts'

const view = new CellView()

/** Moves behind the record that begins where `reader` stands; returns its type. Throws RangeError where it makes no sense. */
export function passRecord(reader: ByteReader): number {
  const type = reader.u8()
  if (type === RECORD_PUT) {
    reader.varint()
    readCell(reader.bytes, reader.at, view)
    reader.skip(view.end - reader.at)
  } else if (type === RECORD_DELETE) {
    reader.varint()
    reader.skip(reader.varint())
  } else {
    reader.skip(bytesBehindType(type, reader))
  }
  return type
}
