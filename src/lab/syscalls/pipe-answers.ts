/** The answers of a store's process: messages on its standard output. */
import { JSON_LINES, type Message, type PipeFormat } from '../pipe/format.ts'
import type { Call, CallObserver } from './call-player.ts'
import { bytesOf, bytesOfVector } from './strace.ts'

const MOST_MESSAGE_BYTES = 256 * 1024 * 1024
const STANDARD_OUTPUT = '1'

export class PipeAnswers implements CallObserver {
  readonly #format: PipeFormat
  readonly #onAnswer: (id: number) => boolean
  #messages: ReturnType<PipeFormat['splitter']>

  /**
   * @param onAnswer told of every answer `"ok":true`, when its write begins. Returns whether that is a moment to look at.
   * @param format what the process answers in.
   */
  constructor(onAnswer: (id: number) => boolean, format: PipeFormat = JSON_LINES) {
    this.#format = format
    this.#onAnswer = onAnswer
    this.#messages = format.splitter(MOST_MESSAGE_BYTES)
  }

  processBegins(): void {
    this.#messages = this.#format.splitter(MOST_MESSAGE_BYTES)
  }

  begins({ name, args }: Call): boolean {
    if ((name !== 'write' && name !== 'writev') || args[0] !== STANDARD_OUTPUT) return false
    let isMoment = false
    const bytes = name === 'write' ? bytesOf(args[1]!) : bytesOfVector(args[1]!)
    for (const message of this.#messages.add(bytes)) {
      const id = answeredId(message, this.#format)
      if (id !== undefined && this.#onAnswer(id)) isMoment = true
    }
    return isMoment
  }
}

function answeredId(message: Message, { decode }: PipeFormat): number | undefined {
  try {
    const { id, ok } = decode(message) as { id?: unknown; ok?: unknown }
    return ok === true && typeof id === 'number' ? id : undefined
  } catch {
    return undefined
  }
}
