/**
 * Short answers of one turn of the event loop go to the operating system one behind the other at its end. Each wakes the one
 * who waits for it, which costs more than the answer where he sleeps on another processor; who has been woken by the first is
 * still awake at the others. Where the turn before had one answer, this one's first does not wait for others that will hardly come. What holds:
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
/** Of the present turn, of which `isTurnOpen` says that its end will be heard of. */
let answers = 0
let isTurnOpen = false
/** The turn before this one that had answers had one. */
let wasAlone = false

/**
 * Ends the answer, whose head was written, with a body: a text of which each character is a byte, or bytes, whose memory is not
 * the caller's any more.
 */
export function endWithTurn(response: ServerResponse, body: string | Whole): void {
  answers += 1
  if (!isTurnOpen) {
    isTurnOpen = true
    setImmediate(endTurn)
  }
  if (wasAlone && answers === 1) {
    end(response, body)
    return
  }
  held.push({ response, body })
  if (held.length === MOST_HELD || isLongWorkUnderWay()) endHeld()
}

function endTurn(): void {
  isTurnOpen = false
  wasAlone = answers === 1
  answers = 0
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
