/**
 * Short answers of one turn of the event loop go to the operating system one behind the other at its end. Each wakes the one
 * who waits for it, which costs more than the answer where he sleeps on another processor; who has been woken by the first is
 * still awake at the others. What holds:
 * - Answers keep their order.
 * - An answer waits for so many others at most, and for no slice of long work.
 */
import type { ServerResponse } from 'node:http'
import { isLongWorkUnderWay } from '../../base/time-slice.ts'
import type { Whole } from '../../documents/gathered.ts'
import { endWithBytes } from './headed-bytes.ts'

const MOST_HELD = 16

/** Of a text each character is a byte. */
interface Ending {
  readonly response: ServerResponse
  readonly body: string | Whole
}

let held: Ending[] = []

/**
 * Ends the answer, whose head was written, with a body: a text of which each character is a byte, or bytes, whose memory is not
 * the caller's any more.
 */
export function endWithTurn(response: ServerResponse, body: string | Whole): void {
  held.push({ response, body })
  if (held.length === MOST_HELD || isLongWorkUnderWay()) endHeld()
  else if (held.length === 1) setImmediate(endHeld)
}

function endHeld(): void {
  const endings = held
  if (endings.length === 0) return
  held = []
  for (const { response, body } of endings) {
    if (typeof body === 'string') response.end(body, 'latin1')
    else endWithBytes(response, body)
  }
}
