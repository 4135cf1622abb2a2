/**
 * Bytes of a group that are written while the rest of it is being made: the thread pool copies them into the page cache, for which
 * a commit of a megabyte would wait a fifth of its time. What must hold:
 * - The head of the group is not among them: whatever a crash leaves of them is no group.
 * - Until all have ended nothing else is written to their place, nor cut off.
 * - What does not become part of a group is cut off before another is written.
 */
import type { StorageFile } from '../disk/file-system.ts'

export class AheadWrites {
  readonly #file: StorageFile
  #underWay: Promise<void>[] = []
  #failure: { cause: unknown } | undefined
  #end = 0

  constructor(file: StorageFile) {
    this.#file = file
  }

  /** Begins a write. `bytes` are not changed any more before `ended` resolves. */
  begin(bytes: Buffer, position: number): void {
    this.#end = Math.max(this.#end, position + bytes.length)
    this.#underWay.push(
      this.#file.write(bytes, position).catch((cause: unknown) => {
        this.#failure ??= { cause }
      }),
    )
  }

  /** Resolves when none is under way, with the position behind the last of their bytes: 0 where none was begun. Throws what one threw. */
  async ended(): Promise<number> {
    await Promise.all(this.#underWay)
    const [end, failure] = [this.#end, this.#failure]
    this.#underWay = []
    this.#end = 0
    this.#failure = undefined
    if (failure !== undefined) throw failure.cause
    return end
  }
}
