/**
 * Places in somebody's changes. A plain number `n` is a change. `g:n` is the change n that is told because a grant at g opened
 * its channel: all of those stand where g would, in their order, before g itself. `l::n` and `l:g:n` say that l is the last change
 * before one that was missing when they were told: who goes on from them goes on from l.
 */
import { badRequest } from './gateway-error.ts'

export interface SequenceId {
  /** The change, or the grant. */
  readonly major: number
  /** The change, where `major` is a grant. */
  readonly minor: number | undefined
}

export const START: SequenceId = { major: 0, minor: undefined }

const FORM = /^(\d{1,15})(?::(\d{0,15})(?::(\d{1,15}))?)?$/

/** Throws 400. Undefined and an empty text are the beginning. */
export function parseSequence(text: string | undefined): SequenceId {
  if (text === undefined || text === '') return START
  const bare = /^"(.*)"$/.exec(text)?.[1] ?? text
  const [, first, second, third] = FORM.exec(bare) ?? []
  if (first === undefined || (second === '' && third === undefined)) throw badRequest('Invalid sequence')
  if (second === undefined) return { major: Number(first), minor: undefined }
  if (third === undefined) return normal(Number(first), Number(second))
  const low: SequenceId = { major: Number(first), minor: undefined }
  const told = normal(Number(second || 0), Number(third))
  return isBefore(low, told) ? low : told
}

function normal(grant: number, change: number): SequenceId {
  return grant === 0 ? { major: change, minor: undefined } : { major: grant, minor: change }
}

export function isBefore(a: SequenceId, b: SequenceId): boolean {
  if (a.major !== b.major) return a.major < b.major
  return (a.minor ?? Number.POSITIVE_INFINITY) < (b.minor ?? Number.POSITIVE_INFINITY)
}

export function isSame(a: SequenceId, b: SequenceId): boolean {
  return a.major === b.major && a.minor === b.minor
}

export function formatSequence({ major, minor }: SequenceId): string {
  return minor === undefined ? String(major) : `${major}:${minor}`
}

/** As a value of JSON: compound ones are texts. */
export function sequenceText(sequence: SequenceId): string {
  return sequence.minor === undefined ? String(sequence.major) : `"${formatSequence(sequence)}"`
}
