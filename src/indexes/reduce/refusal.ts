/** What a built-in reduce gives for values that it does not take: an object, which is the row's value, as in CouchDB. */
import { runAtOnce } from '../../base/time-slice.ts'
import { type Lossless, losslessSteps } from '../../json/lossless.ts'
import { stringText } from '../../json/writer.ts'

export const BUILTIN_REDUCE_ERROR = 'builtin_reduce_error'

/** Thrown within a reduce. `cause` is JSON. */
export class Refusal extends Error {
  readonly json: string

  constructor(reason: string, cause?: string) {
    super(reason)
    this.json = refusalText(reason, cause)
  }
}

/** Values are walked by functions that call themselves for each level. */
const MOST_LEVELS = 500

/** Throws Refusal for what is nested too deeply. */
export function readStructure(text: string): Lossless {
  try {
    return runAtOnce(losslessSteps(text, MOST_LEVELS))
  } catch (error) {
    if (error instanceof RangeError)
      throw new Refusal(`values of more than ${MOST_LEVELS} levels are not reduced`)
    throw error
  }
}

export function refusalText(reason: string, cause?: string): string {
  const end = cause === undefined ? '}' : `,"caused_by":${cause}}`
  return `{"error":"${BUILTIN_REDUCE_ERROR}","reason":${stringText(reason)}${end}`
}
