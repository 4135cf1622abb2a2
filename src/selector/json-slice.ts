import { skipValue } from '../json/walk.ts'

/** A value within a canonical text, which must not change. */
export class JsonSlice {
  readonly text: Buffer
  readonly at: number
  #end: number | undefined

  constructor(text: Buffer, at: number) {
    this.text = text
    this.at = at
  }

  /** Position behind it. */
  get end(): number {
    this.#end ??= skipValue(this.text, this.at)
    return this.#end
  }

  toString(): string {
    return this.text.toString('utf8', this.at, this.end)
  }
}
