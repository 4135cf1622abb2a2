/**
 * The weights of ASCII in the root collation, taken from the collator itself when the process starts, so that they are
 * those of its ICU. In that order
 * - some characters are ignorable: a string is equal to itself without them. They are the controls but white space;
 * - every other one stands for itself: none is joined with its neighbours, none is more than one element;
 * - none differs from another by accents alone; by case some do, and case counts only where nothing else differs.
 *
 * So strings go by the places of their characters, a shorter one before those that it begins, and then by their
 * upper-case letters, at the first that differs.
 */
import { collator } from '../../json/collation.ts'

/** Of a character that is ignorable. */
export const IGNORED = 0
/** Of a character whose place does not show in one byte and one bit: its string is a text. */
export const UNDECIDED = 1
const FIRST_PLACE = 2

export interface AsciiWeights {
  /** By character: its place, the same for both cases, or IGNORED or UNDECIDED. */
  readonly places: Uint8Array
  /** By character: 1 where it is the second of its place. */
  readonly isUpper: Uint8Array
  /** By place, and by place + 128 for upper case: a character that stands there. */
  readonly characters: Uint8Array
}

const withoutCase = new Intl.Collator('en', { sensitivity: 'base' })
const withAccents = new Intl.Collator('en', { sensitivity: 'accent' })

function readWeights(): AsciiWeights {
  const places = new Uint8Array(128)
  const isUpper = new Uint8Array(128)
  const characters = new Uint8Array(256)
  const all = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code))
  const ordered = all.filter((text) => collator.compare(text, '') !== 0).sort(collator.compare)
  let place = FIRST_PLACE
  for (let at = 0; at < ordered.length; ) {
    const first = ordered[at]!
    const same = ordered.slice(at).filter((text) => withoutCase.compare(text, first) === 0)
    if (isDecided(same)) {
      for (const [index, text] of same.entries()) {
        places[text.charCodeAt(0)] = place
        isUpper[text.charCodeAt(0)] = index
        characters[place + index * 128] = text.charCodeAt(0)
      }
      place += 1
    } else {
      for (const text of same) places[text.charCodeAt(0)] = UNDECIDED
    }
    at += same.length
  }
  return { places, isUpper, characters }
}

/** Whether characters of one place are at most two, which case tells apart. */
function isDecided(same: readonly string[]): boolean {
  const [first, second] = same
  if (second === undefined) return true
  return (
    same.length === 2 && withAccents.compare(first!, second) === 0 && collator.compare(first!, second) < 0
  )
}

export const asciiWeights = readWeights()
