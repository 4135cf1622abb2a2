/**
 * Things that are opened when they are first used, by one opening however many ask, and kept open for a while. What holds:
 * - What is used is not closed. Of the rest the one that was used longest ago is closed beyond a number, and each that was not
 *   used for a time.
 * - A key is not opened while what it led to is being closed.
 */
import type { Clock } from '../base/clock.ts'

export interface KeptOpenOptions {
  /** Open at once, but for those that are used. */
  readonly most: number
  readonly idleMs: number
  readonly clock: Pick<Clock, 'after'>
  /** What closing threw. */
  onFailure(error: unknown): void
}

interface Closable {
  close(): Promise<void>
}

interface Entry<T> {
  readonly key: string
  readonly opened: Promise<T>
  /** Once it is open. */
  value: T | undefined
  users: number
  isRetired: boolean
  /** Resolves when it is closed. */
  readonly closed: Promise<void>
  readonly noteClosed: () => void
  cancelTimer: () => void
}

const NOTHING = (): void => undefined
const NEVER = new Promise<never>(NOTHING)

export class KeptOpen<T extends Closable> {
  readonly #options: KeptOpenOptions
  /** The least recently used first. */
  readonly #entries = new Map<string, Entry<T>>()

  constructor(options: KeptOpenOptions) {
    this.#options = options
  }

  get keys(): readonly string[] {
    return [...this.#entries.keys()]
  }

  async use<R>(key: string, open: () => Promise<T>, use: (opened: T) => Promise<R>): Promise<R> {
    let entry = this.#entries.get(key)
    while (entry?.isRetired) {
      await entry.closed
      const next = this.#entries.get(key)
      entry = next === entry ? undefined : next
    }
    entry ??= this.#open(key, open)
    entry.users += 1
    entry.cancelTimer()
    try {
      return await use(await entry.opened)
    } finally {
      this.#release(entry)
    }
  }

  #open(key: string, open: () => Promise<T>): Entry<T> {
    let noteClosed = NOTHING
    const closed = new Promise<void>((resolve) => {
      noteClosed = resolve
    })
    const entry: Entry<T> = {
      key,
      opened: open(),
      value: undefined,
      users: 0,
      isRetired: false,
      closed,
      noteClosed,
      cancelTimer: NOTHING,
    }
    entry.opened.then(
      (value) => {
        entry.value = value
      },
      () => {
        entry.isRetired = true
        this.#forget(entry)
      },
    )
    this.#entries.set(key, entry)
    return entry
  }

  #forget(entry: Entry<T>): void {
    if (this.#entries.get(entry.key) === entry) this.#entries.delete(entry.key)
    entry.noteClosed()
  }

  #release(entry: Entry<T>): void {
    entry.users -= 1
    if (entry.users > 0) return
    if (entry.isRetired) {
      void this.#close(entry)
      return
    }
    this.#entries.delete(entry.key)
    this.#entries.set(entry.key, entry)
    entry.cancelTimer = this.#options.clock.after(this.#options.idleMs, () => this.#retire(entry))
    this.#retireBeyondMost()
  }

  /** Those that are being closed count no more. */
  #retireBeyondMost(): void {
    const { most } = this.#options
    if (this.#entries.size <= most) return
    const kept = [...this.#entries.values()].filter(({ isRetired }) => !isRetired)
    let excess = kept.length - most
    for (const idle of kept) {
      if (excess <= 0) return
      if (idle.users > 0) continue
      this.#retire(idle)
      excess -= 1
    }
  }

  #retire(entry: Entry<T>): void {
    if (entry.isRetired) return
    entry.isRetired = true
    entry.cancelTimer()
    if (entry.users === 0) void this.#close(entry)
  }

  async #close(entry: Entry<T>): Promise<void> {
    try {
      const opened = await entry.opened.catch(() => undefined)
      await opened?.close()
    } catch (error) {
      this.#options.onFailure(error)
    }
    this.#forget(entry)
  }

  /** Closes what the key leads to, if it is that, when nobody uses it any more; who asks for the key gets another one at once. */
  replace(key: string, opened: T): void {
    const entry = this.#entries.get(key)
    if (entry?.value !== opened) return
    this.#entries.delete(key)
    this.#retire(entry)
  }

  /** Closes those that are meant, when nobody uses them any more. Resolves when they are closed. */
  async close(isMeant: (key: string) => boolean): Promise<void> {
    const meant = [...this.#entries.values()].filter(({ key }) => isMeant(key))
    for (const entry of meant) this.#retire(entry)
    await Promise.all(meant.map(({ closed }) => closed))
  }

  /** Does `work` when what the key leads to is closed, and before anybody opens it again. */
  async whileClosed(key: string, work: () => Promise<void>): Promise<void> {
    let entry = this.#entries.get(key)
    while (entry !== undefined) {
      this.#retire(entry)
      await entry.closed
      entry = this.#entries.get(key)
    }
    const closed = work()
    const held: Entry<T> = {
      key,
      opened: NEVER,
      value: undefined,
      users: 0,
      isRetired: true,
      closed: closed.catch(NOTHING),
      noteClosed: NOTHING,
      cancelTimer: NOTHING,
    }
    this.#entries.set(key, held)
    try {
      await closed
    } finally {
      this.#forget(held)
    }
  }
}
