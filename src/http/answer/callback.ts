/**
 * JSON as a script that calls a function of the page which has loaded it (`?callback=`), as CouchDB writes it: for pages that
 * may not read answers of other origins. The comment in front keeps the name that a client has chosen from being the first
 * bytes of what a browser is given.
 */
import type { Answer, AnswerPiece, Headers, MixedPieces, Pieces } from './answer.ts'

/** Names, numbers, members: nothing of which a script could be made. */
const CALLBACK = /^[A-Za-z0-9_.[\]]+$/

export function isCallback(callback: string): boolean {
  return CALLBACK.test(callback)
}

/** Whether an answer is JSON of the server's own, and not a client's bytes that happen to be. */
export function isJson({ headers, ours }: Answer): boolean {
  return ours === true && headers['content-type'] === 'application/json'
}

/** The JSON answer as a script that calls `callback`, which must be one by `isCallback`. */
export function asScript<A extends Answer>(answer: A, callback: string): A
export function asScript(answer: Answer, callback: string): Answer {
  const headers: Headers = {
    ...answer.headers,
    'content-type': 'application/javascript',
    'x-content-type-options': 'nosniff',
  }
  const start = `/* CouchDB */${callback}(`
  if (answer.kind === 'streamed') return { ...answer, headers, pieces: between(start, answer.pieces, ');\n') }
  const { isBytes, ...rest } = answer
  const body = isBytes === true ? Buffer.from(answer.body as string, 'latin1') : answer.body
  const text = typeof body === 'string' ? body : body.toString('utf8')
  return { ...rest, headers, body: `${start}${text.trimEnd()});\n` }
}

function between(start: string, pieces: Pieces, end: string): MixedPieces {
  let place: 'start' | 'pieces' | 'end' = 'start'
  const told = (step: IteratorResult<AnswerPiece>): IteratorResult<AnswerPiece> => {
    if (step.done !== true) return step
    place = 'end'
    return { done: false, value: end }
  }
  return {
    next() {
      if (place === 'end') return { done: true, value: undefined }
      if (place === 'start') {
        place = 'pieces'
        return { done: false, value: start }
      }
      const step = pieces.next()
      return step instanceof Promise ? step.then(told) : told(step)
    },
    async return() {
      place = 'end'
      await pieces.return?.()
      return { done: true, value: undefined }
    },
  }
}
