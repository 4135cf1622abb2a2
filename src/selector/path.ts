import { advance, enter, isArrayAt, isObjectAt, isSameText, skipString, skipValue } from '../json/walk.ts'
import { stringText } from '../json/writer.ts'
import { SelectorError } from './errors.ts'

/** Paths to members of documents: names between dots; a dot that belongs to a name has a `\` before it. */
export type FieldPath = readonly string[]

/** Instead of a position: the last object on the way has no such member; there was nothing to look into. */
export const MISSING = -1
export const ASTRAY = -2

/** It bounds the recursion over paths. */
const MOST_PARTS = 1000
/** A part of a path that is an index, from 0, into an array. */
const INDEX = /^\+?\d+$/

/** Throws SelectorError invalid_field_name for an empty name. */
export function parsePath(field: string): FieldPath {
  const parts = field.split(/(?<!\\)\./)
  if (parts.includes('')) throw new SelectorError('invalid_field_name', `Invalid field name: ${field}`)
  if (parts.length > MOST_PARTS) {
    throw new SelectorError('invalid_field_name', `A field name may have ${MOST_PARTS} parts at most.`)
  }
  return parts.map((part) => part.replaceAll('\\', ''))
}

/** One part of a path, ready to be looked for. */
export interface PathStep {
  /** Canonical, quotes included. */
  readonly nameText: Buffer
  /** -1 where it is none. */
  readonly index: number
}

export function pathStep(name: string): PathStep {
  return { nameText: Buffer.from(stringText(name)), index: INDEX.test(name) ? Number(name) : -1 }
}

/** Where the value that the steps lead to begins, or MISSING or ASTRAY. */
export function findSteps(text: Buffer, start: number, steps: readonly PathStep[]): number {
  let at = start
  for (const step of steps) {
    if (isObjectAt(text, at)) at = memberAt(text, at, step.nameText)
    else if (isArrayAt(text, at) && step.index >= 0) at = elementAt(text, at, step.index)
    else return ASTRAY
    if (at < 0) return at
  }
  return at
}

function memberAt(text: Buffer, object: number, nameText: Buffer): number {
  for (let name = enter(text, object); name >= 0; ) {
    const nameEnd = skipString(text, name)
    if (isSameText(text, name, nameEnd, nameText, 0, nameText.length)) return nameEnd + 1
    name = advance(text, skipValue(text, nameEnd + 1))
  }
  return MISSING
}

/** Where the element of the array at `array` begins, or ASTRAY. */
export function elementAt(text: Buffer, array: number, index: number): number {
  let at = enter(text, array)
  for (let count = 0; at >= 0 && count < index; count++) at = advance(text, skipValue(text, at))
  return at < 0 ? ASTRAY : at
}
