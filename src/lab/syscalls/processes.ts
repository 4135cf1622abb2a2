/** What the threads of a trace have open: descriptors are a process's, and forked ones begin with their parent's. */
import type { TracedNode } from './traced-tree.ts'

/** An open file: what `dup` makes another name of. */
export interface OpenFile {
  readonly node: TracedNode
  position: number
  readonly appends: boolean
  /** Every write is durable when it returns. */
  readonly syncs: boolean
}

interface Slot {
  readonly file: OpenFile
  readonly closesOnExec: boolean
}

export class TracedProcess {
  folder: string
  readonly #slots: Map<number, Slot>

  constructor(folder: string, slots: ReadonlyMap<number, Slot> = new Map()) {
    this.folder = folder
    this.#slots = new Map(slots)
  }

  file(descriptor: number): OpenFile | undefined {
    return this.#slots.get(descriptor)?.file
  }

  set(descriptor: number, file: OpenFile, closesOnExec: boolean): void {
    this.#slots.set(descriptor, { file, closesOnExec })
  }

  close(descriptor: number): void {
    this.#slots.delete(descriptor)
  }

  executes(): void {
    for (const [descriptor, { closesOnExec }] of this.#slots) if (closesOnExec) this.#slots.delete(descriptor)
  }

  fork(): TracedProcess {
    return new TracedProcess(this.folder, this.#slots)
  }
}

/** Processes by the numbers of their threads. */
export class Processes {
  readonly #folder: string
  readonly #threads = new Map<number, TracedProcess>()
  /** Clones that have begun and not returned: their threads may be seen first. */
  readonly #cloning: { parent: number; shares: boolean }[] = []

  /** @param folder in which the first process was started. */
  constructor(folder: string) {
    this.#folder = folder
  }

  of(thread: number): TracedProcess {
    let found = this.#threads.get(thread)
    if (found === undefined) {
      const clone = this.#cloning[0]
      const parent = clone === undefined ? undefined : this.#threads.get(clone.parent)
      if (parent === undefined) found = new TracedProcess(this.#folder)
      else found = clone?.shares === true ? parent : parent.fork()
      this.#threads.set(thread, found)
    }
    return found
  }

  beginClone(parent: number, shares: boolean): void {
    this.of(parent)
    this.#cloning.push({ parent, shares })
  }

  /** @param child its first thread; undefined when none was made. */
  endClone(parent: number, shares: boolean, child: number | undefined): void {
    const index = this.#cloning.findIndex((clone) => clone.parent === parent && clone.shares === shares)
    if (child !== undefined && !this.#threads.has(child)) {
      const owner = this.of(parent)
      this.#threads.set(child, shares ? owner : owner.fork())
    }
    if (index >= 0) this.#cloning.splice(index, 1)
  }
}
