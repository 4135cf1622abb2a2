/**
 * What has come from networks (`networkOf`), in the order in which it came, and which of them has most of it. Each question takes the
 * same time however many networks there are, for whoever comes from many has made them.
 */
export class ByNetwork<T> {
  /** None is empty. */
  readonly #items = new Map<string, Set<T>>()
  /** Networks by how many each has. None is empty. */
  readonly #bySize = new Map<number, Set<string>>()
  #most = 0
  #count = 0

  /** Of all networks. */
  get count(): number {
    return this.#count
  }

  /** How many the network has that has most. */
  get most(): number {
    return this.#most
  }

  countOf(network: string): number {
    return this.#items.get(network)?.size ?? 0
  }

  add(network: string, item: T): void {
    const items = this.#items.get(network) ?? new Set()
    if (items.has(item)) return
    items.add(item)
    this.#items.set(network, items)
    this.#count += 1
    this.#move(network, items.size - 1, items.size)
  }

  /** False where it is not there. */
  delete(network: string, item: T): boolean {
    const items = this.#items.get(network)
    if (items?.delete(item) !== true) return false
    if (items.size === 0) this.#items.delete(network)
    this.#count -= 1
    this.#move(network, items.size + 1, items.size)
    return true
  }

  /** Takes away the oldest of a network that has most. Undefined where there is nothing. */
  takeOldestOfMost(): T | undefined {
    const [network] = this.#bySize.get(this.#most) ?? []
    if (network === undefined) return undefined
    const [oldest] = this.#items.get(network)!
    this.delete(network, oldest!)
    return oldest
  }

  #move(network: string, from: number, to: number): void {
    const before = this.#bySize.get(from)
    if (before !== undefined) {
      before.delete(network)
      if (before.size === 0) this.#bySize.delete(from)
    }
    if (to > 0) {
      const after = this.#bySize.get(to)
      if (after === undefined) this.#bySize.set(to, new Set([network]))
      else after.add(network)
    }
    if (to > this.#most || (from === this.#most && !this.#bySize.has(from))) this.#most = to
  }
}
