import { DatabaseError } from '../../base/errors.ts'
import type { Steps } from '../../base/time-slice.ts'
import { canonicalize, canonicalizeSteps, SHORT_TEXT_BYTES } from '../../json/documents.ts'
import { type Lossless, losslessSteps, mayHaveFloats } from '../../json/lossless.ts'
import { decodeSteps, parseSteps } from '../../json/value-steps.ts'
import { requireContentType, requireObject } from './body.ts'
import { type BodyKind, MAX_MEMBERS, valueLimit } from './body-limits.ts'
import type { BodyHold } from './body-memory.ts'

/** What a value of JSON takes in memory, about. */
const VALUE_BYTES = 64

/** The request that a body is of. */
export interface JsonRequest {
  readonly bodyKind: BodyKind
  readonly hold: Pick<BodyHold, 'add'>
  header(name: string): string | undefined
  body(): Promise<Buffer>
  inTurns<T>(steps: Steps<T>): Promise<T>
}

/**
 * A request's body as JSON. What is long is read in turns, and counted; what was asked for once is kept. All throw as
 * `JsonRequest.body` does, invalidJson, and requestTooLarge for more values than may become objects.
 */
export class JsonBody {
  readonly #request: JsonRequest
  #text: Promise<Buffer> | undefined
  #lossless: Promise<Lossless> | undefined
  #mayHaveFloats: boolean | undefined

  constructor(request: JsonRequest) {
    this.#request = request
  }

  /** Canonical. */
  text(): Promise<Buffer> {
    this.#text ??= this.#readText()
    return this.#text
  }

  /** The same of a request that must say `application/json`. Throws badContentType too. */
  typedText(): Promise<Buffer> {
    requireContentType(this.#request.header('content-type'), 'application/json')
    return this.text()
  }

  /** Numbers as JavaScript has them. */
  async value(): Promise<unknown> {
    const bytes = await this.text()
    if (bytes.length <= SHORT_TEXT_BYTES) return JSON.parse(bytes.toString('utf8'))
    return this.#request.inTurns(parseSteps(await this.#decoded(bytes)))
  }

  /** The same. Throws badRequest for anything but an object. */
  async object(): Promise<Record<string, unknown>> {
    return requireObject(await this.value())
  }

  /** Every number as it was written. */
  lossless(): Promise<Lossless> {
    this.#lossless ??= this.#readLossless()
    return this.#lossless
  }

  async mayHaveFloats(): Promise<boolean> {
    this.#mayHaveFloats ??= mayHaveFloats(await this.text())
    return this.#mayHaveFloats
  }

  #readText(): Promise<Buffer> {
    return this.#request
      .body()
      .then((body) => (body.length <= SHORT_TEXT_BYTES ? canonicalize(body) : this.#readLongText(body)))
  }

  async #readLongText(body: Buffer): Promise<Buffer> {
    const { bodyKind, hold } = this.#request
    const mostValues = valueLimit(bodyKind)
    let values = 0
    const text = await this.#request.inTurns(
      canonicalizeSteps(body, (soFar, mostMembers) => {
        values = soFar
        if (soFar > mostValues || mostMembers > MAX_MEMBERS) throw new DatabaseError('requestTooLarge')
      }),
    )
    hold.add(text.length + values * VALUE_BYTES)
    return text
  }

  async #readLossless(): Promise<Lossless> {
    return this.#request.inTurns(losslessSteps(await this.#decoded(await this.text())))
  }

  #decoded(bytes: Buffer): Promise<string> {
    return this.#request.inTurns(decodeSteps(bytes))
  }
}
