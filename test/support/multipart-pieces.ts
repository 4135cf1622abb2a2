/** Bytes, as latin1, that a parser of multipart bodies could take for a part of the delimiter. */
export function multipartPieces(boundary: string): readonly string[] {
  return ['\r', '\n', '-', '--', '\r\n', `\r\n--${boundary.slice(0, -1)}`, boundary, 'x', '\0', '\xff']
}
