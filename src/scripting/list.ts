/** A list function while it runs in its thread: what it sends and asks for, one step at a time. */
import { once } from 'node:events'
import { MessageChannel } from 'node:worker_threads'
import { linesOf } from './json-lines.ts'
import type { ScriptResponse } from './response.ts'
import { ScriptError } from './script-error.ts'
import type { Lines, Program } from './threads/lines.ts'
import { AnswerCount, type ListAnswer, type ListStep, type Outcome } from './threads/protocol.ts'

/** Rows as JSON; an empty array when there are no more. */
export type ListSource = () => Promise<readonly Uint8Array[]>

/** See `Scripting.list`. */
export async function* runList(
  lines: Lines,
  program: Program,
  text: string,
  nextRows: ListSource,
  signal?: AbortSignal,
): AsyncGenerator<ScriptResponse | string, void, void> {
  const { port1, port2 } = new MessageChannel()
  const answers = new AnswerCount()
  const job = { do: 'list', text, port: port2, answers: answers.shared } as const
  const ended = lines.run(program, { job, transfer: [port2] }, signal)
  let hasEnded = false
  const outcome = ended.then(
    (end) => {
      hasEnded = true
      return { end }
    },
    (error: Error) => ({ error }),
  )
  const answer = (said: ListAnswer): void => {
    port1.postMessage(said)
    answers.give()
  }
  try {
    for (;;) {
      const step = await Promise.race([outcome, once(port1, 'message') as Promise<[ListStep]>])
      if (!Array.isArray(step)) {
        yield* lastText(step)
        return
      }
      const [{ start, chunks, isAsking }] = step
      if (start !== undefined) yield start
      if (chunks !== '') yield chunks
      const rows = isAsking ? await nextRows() : []
      answer({ rows: rows.length === 0 ? undefined : linesOf(rows), isOver: false })
    }
  } finally {
    // It waits for an answer, or will at its next step: it is told that nobody reads on.
    if (!hasEnded) answer({ rows: undefined, isOver: true })
    port1.close()
  }
}

function* lastText(step: { end: Outcome } | { error: Error }): Generator<string, void, void> {
  if ('error' in step) throw step.error
  if ('failure' in step.end) throw new ScriptError(step.end.failure)
  if (!('bytes' in step.end)) return
  const last = JSON.parse(Buffer.from(step.end.bytes).toString()) as string
  if (last !== '') yield last
}
