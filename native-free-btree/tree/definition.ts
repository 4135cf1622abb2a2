import type { ByteReader, ByteWriter } from '../disk/bytes.ts'

/** What the file says of a tree. */
export interface TreeDefinition {
  id: number
  name: string
  comparatorName: string
  comparatorVersion: number
  reducerName: string
  reducerVersion: number
  /** What later versions say of the tree; kept as it is. */
  attributes: Buffer
}

export const NO_ATTRIBUTES = Buffer.alloc(0)

/**
 * id u32, name, comparator's name and version u32, reducer's name and version u32; names behind u8 lengths; attributes
 * behind a u16 length.
 */
export function writeDefinition(out: ByteWriter, definition: TreeDefinition): void {
  out.u32(definition.id)
  out.text(definition.name)
  out.text(definition.comparatorName)
  out.u32(definition.comparatorVersion)
  out.text(definition.reducerName)
  out.u32(definition.reducerVersion)
  out.u16(definition.attributes.length)
  out.raw(definition.attributes)
}

export function readDefinition(reader: ByteReader): TreeDefinition {
  return {
    id: reader.u32(),
    name: reader.text(),
    comparatorName: reader.text(),
    comparatorVersion: reader.u32(),
    reducerName: reader.text(),
    reducerVersion: reader.u32(),
    attributes: Buffer.from(reader.slice(reader.u16())),
  }
}
