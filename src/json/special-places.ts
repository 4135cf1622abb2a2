/** Where the values of a document's usual special members stand in its text, for who reads them there without an object for each. */

export const NO_PLACE = -1
export const ID = 0
export const REV = 1
export const DELETED = 2
const NAMES = ['_id', '_rev', '_deleted'].map((name) => Buffer.from(name))

export class SpecialPlaces {
  /** Every special member so far has a name that is known, stands there once, and has a value that is canonical in the text. */
  isKnown = true
  /** By place; negative: there is no such member. */
  readonly starts = new Int32Array(NAMES.length)
  readonly ends = new Int32Array(NAMES.length)

  forget(): void {
    this.isKnown = true
    this.starts.fill(NO_PLACE)
  }

  /** The place of a member whose name begins with an underscore. */
  placeOf(bytes: Uint8Array, start: number, end: number): number {
    for (let place = 0; place < NAMES.length; place++) {
      const name = NAMES[place]!
      if (name.length === end - start && isAt(bytes, start, name)) return place
    }
    this.isKnown = false
    return NO_PLACE
  }

  /** Of a negative start: the value is not canonical in the text. */
  note(place: number, start: number, end: number): void {
    if (start < 0 || this.starts[place]! >= 0) this.isKnown = false
    this.starts[place] = start
    this.ends[place] = end
  }
}

function isAt(bytes: Uint8Array, start: number, name: Uint8Array): boolean {
  for (let i = 1; i < name.length; i++) if (bytes[start + i] !== name[i]) return false
  return true
}
