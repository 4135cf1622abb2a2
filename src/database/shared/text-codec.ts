/** Texts and errors of the table, in the encodings of this room. */
import { ByteFormatError, type ByteReader, type ByteWriter } from '../../base/byte-codec.ts'
import { DatabaseError, ERRORS, type ErrorKind } from '../../base/errors.ts'

export function writeText(writer: ByteWriter, text: string): void {
  writer.text(text)
}

export function readText(reader: ByteReader): string {
  return reader.text()
}

/** Its kind and its reason; headers and the cause stay where they are. */
export function writeError(writer: ByteWriter, { kind, reason }: DatabaseError): void {
  writeText(writer, kind)
  writeText(writer, reason)
}

export function readError(reader: ByteReader): DatabaseError {
  const kind = readText(reader)
  if (!isErrorKind(kind)) throw new ByteFormatError(`unknown kind of error: ${kind}`)
  return new DatabaseError(kind, readText(reader))
}

export function isErrorKind(kind: string): kind is ErrorKind {
  return Object.hasOwn(ERRORS, kind)
}
