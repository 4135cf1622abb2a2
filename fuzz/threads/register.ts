/**
 * A number that one client raises and everybody reads. What holds: a read shows at least what was acknowledged, or seen by
 * anybody, before it began, and at most what was sent before it ended.
 */
export class Register {
  readonly name: string
  #floor = 0
  #sent = 0

  constructor(name: string) {
    this.name = name
  }

  /** The least that a read which begins now may show. */
  get floor(): number {
    return this.#floor
  }

  /** The most that a read which ends now may show. */
  get sent(): number {
    return this.#sent
  }

  send(): number {
    this.#sent += 1
    return this.#sent
  }

  acknowledge(number: number): void {
    this.#floor = Math.max(this.#floor, number)
  }

  /** `floor` is that of the read's beginning. */
  observe(floor: number, number: number, where: string): void {
    if (number < floor) throw new Error(`${where}: ${this.name} shows ${number} after ${floor} was known`)
    if (number > this.#sent) throw new Error(`${where}: ${this.name} shows ${number}, which nobody sent`)
    this.#floor = Math.max(this.#floor, number)
  }
}
