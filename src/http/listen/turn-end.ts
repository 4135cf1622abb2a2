/**
 * Short answers of one turn of the event loop go to the operating system one behind the other at its end. Each wakes the one
 * who waits for it, which costs more than the answer where he sleeps on another processor; who has been woken by the first is
 * still awake at the others. What holds:
 * - Answers keep their order.
 * - An answer waits for so many others at most, and for no slice of long work.
 * - Who is alone waits for nobody: after turns of one answer each, the first of a turn goes at once.
 */
import type { ServerResponse } from 'node:http'
import { isLongWorkUnderWay } from '../../base/time-slice.ts'
import type { Whole } from '../../documents/gathered.ts'
import { endWithBytes } from './headed-bytes.ts'

const MOST_HELD = 16
/** So many turns in a row had one answer when the next is taken for one that has no other. */
const LONELY_TURNS = 8

/** Of a text each character is a byte. */
interface Ending {
  readonly response: ServerResponse
  readonly body: string | Whole
}

let held: Ending[] = []
/** Answers of this turn. */
let ended = 0
let lonelyTurns = 0

/**
 * Ends the answer, whose head was written, with a body: a text of which each character is a byte, or bytes, whose memory is not
 * the caller's any more.
 */
export function endWithTurn(response: ServerResponse, body: string | Whole): void {
  ended += 1
  if (ended === 1) {
    setImmediate(endTurn)
    if (lonelyTurns >= LONELY_TURNS) {
      end(response, body)
      return
    }
  }
  held.push({ response, body })
  if (held.length === MOST_HELD || isLongWorkUnderWay()) endHeld()
}

function endTurn(): void {
  lonelyTurns = ended === 1 ? lonelyTurns + 1 : 0
  ended = 0
  endHeld()
}

function endHeld(): void {
  const endings = held
  if (endings.length === 0) return
  held = []
  for (const { response, body } of endings) end(response, body)
}

function end(response: ServerResponse, body: string | Whole): void {
  if (typeof body === 'string') response.end(body, 'latin1')
  else endWithBytes(response, body)
}
