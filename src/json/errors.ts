/** What CouchDB answers, with status 400 and `bad_request`, to a body that it cannot read as JSON. */
export const INVALID_JSON = 'invalid UTF-8 JSON'

/**
 * A text that is not JSON in UTF-8, or holds a number that cannot be kept.
 * `message` is the reason to give to the client; `offset` is the byte at which the text stopped making
 * sense, or -1 where the bytes as a whole are not UTF-8.
 */
export class JsonSyntaxError extends Error {
  override readonly name = 'JsonSyntaxError'
  readonly offset: number

  constructor(offset: number, reason: string = INVALID_JSON) {
    super(reason)
    this.offset = offset
  }
}
