import { DatabaseError } from '../base/errors.ts'
import { giveWay } from '../base/time-slice.ts'
import type { AttachmentEdit } from '../database/layout/attachment-records.ts'
import { takeContent, takeInline } from './attachment-edit.ts'
import type { FollowingInput } from './attachment-input.ts'
import { type ParsedDocument, readDocumentText } from './document-edit.ts'
import type { Intake } from './intake.ts'
import { boundaryOf, MultipartReader, parameterOf, type ReceivedPart, wholeBody } from './multipart-reader.ts'

/**
 * A document whose attachments follow it, `multipart/related`. The parts are the attachments in the order of
 * `_attachments`, unless a part names another one of them by its file name. Each must be as long as was said,
 * have the digest that was said, and be there: else nothing is written.
 */
export class MultipartDocument {
  readonly document: ParsedDocument
  readonly #intake: Intake
  readonly #reader: MultipartReader

  private constructor(intake: Intake, reader: MultipartReader, document: ParsedDocument) {
    this.#intake = intake
    this.#reader = reader
    this.document = document
  }

  /**
   * Reads the first part of `source`. Throws badRequest, badContentType, documentTooLarge, requestTooLarge, and what the
   * source throws.
   */
  static async open(
    intake: Intake,
    source: AsyncIterable<Buffer>,
    contentType: string,
  ): Promise<MultipartDocument> {
    const reader = new MultipartReader(source, boundaryOf(contentType))
    try {
      const part = await reader.nextPart()
      if (part === undefined) throw new DatabaseError('badRequest', 'The multipart body has no parts')
      const [type] = (part.headers.get('content-type') ?? '').split(';', 1)
      if (type!.trim().toLowerCase() !== 'application/json') {
        throw new DatabaseError('badContentType', 'Content-Type must be application/json')
      }
      const text = await wholeBody(part, intake.limits.maxJsonBytes, intake.hold)
      return new MultipartDocument(intake, reader, await readDocumentText(intake, text))
    } catch (error) {
      await reader.close()
      throw error
    }
  }

  /** The attachments in the order of the document. Reads the body to its end. */
  async attachments(): Promise<AttachmentEdit[]> {
    const inputs = this.document.attachments
    const edits = new Map<string, AttachmentEdit>()
    for (const input of inputs) {
      if (input.kind !== 'follows') edits.set(input.name, await takeInline(this.#intake, input))
      await giveWay()
    }
    const waiting = new Following(inputs.filter((input) => input.kind === 'follows'))
    for (let part = await this.#reader.nextPart(); part !== undefined; part = await this.#reader.nextPart()) {
      const input = waiting.take(parameterOf(part, 'filename'))
      edits.set(input.name, await this.#take(part, input))
      await giveWay()
    }
    const missing = waiting.first()
    if (missing !== undefined) {
      throw new DatabaseError('badRequest', `The part of the attachment ${missing.name} is missing`)
    }
    return inputs.map(({ name }) => edits.get(name)!)
  }

  /** Gives the source back, read or not. */
  close(): Promise<void> {
    return this.#reader.close()
  }

  async #take(part: ReceivedPart, input: FollowingInput): Promise<AttachmentEdit> {
    const partEncoding = part.headers.get('content-encoding')?.toLowerCase()
    if (partEncoding !== undefined && partEncoding !== input.encoding) {
      throw new DatabaseError(
        'badRequest',
        `The encoding of the attachment ${input.name} is not what was said`,
      )
    }
    return takeContent(this.#intake, exactly(part.body, input.encodedLength), input)
  }
}

/** The attachments whose parts have not come, in the order of the document. */
class Following {
  readonly #inputs: readonly FollowingInput[]
  readonly #waiting: Map<string, FollowingInput>
  /** All before it have come. */
  #at = 0

  constructor(inputs: readonly FollowingInput[]) {
    this.#inputs = inputs
    this.#waiting = new Map(inputs.map((input) => [input.name, input]))
  }

  first(): FollowingInput | undefined {
    while (this.#at < this.#inputs.length && !this.#waiting.has(this.#inputs[this.#at]!.name)) this.#at += 1
    return this.#inputs[this.#at]
  }

  /** The one of that name, or else the first. Throws badRequest where none waits. */
  take(name: string | undefined): FollowingInput {
    const input = (name === undefined ? undefined : this.#waiting.get(name)) ?? this.first()
    if (input === undefined) {
      throw new DatabaseError('badRequest', 'The body has more parts than attachments follow')
    }
    this.#waiting.delete(input.name)
    return input
  }
}

/** Throws badRequest where the source has more or fewer bytes. */
async function* exactly(source: AsyncIterable<Buffer>, bytes: number | undefined): AsyncGenerator<Buffer> {
  let left = bytes
  for await (const chunk of source) {
    if (left !== undefined) {
      left -= chunk.length
      if (left < 0) throw new DatabaseError('badRequest', 'attachment longer than expected')
    }
    yield chunk
  }
  if (left !== undefined && left > 0)
    throw new DatabaseError('badRequest', 'attachment shorter than expected')
}
