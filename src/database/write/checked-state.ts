/**
 * What edits are checked against before their turn at the writer (`EditCheck`): the design documents and `_security`. What
 * holds: an edit that was checked is written only while both are as they were then, what is built and not yet durable
 * included. So nothing is written that was checked against what is no more.
 */
import type { DatabaseWords } from '../read/words.ts'

/** Versions of what an edit was checked against. */
export interface CheckStamp {
  readonly design: number
  readonly settings: number
}

export function stampOf({ designVersion, settingsVersion }: DatabaseWords): CheckStamp {
  return { design: designVersion, settings: settingsVersion }
}

/** The same as the writer sees it, with what is on its way to the disk. */
export class CheckedState {
  readonly #words: DatabaseWords
  readonly #underWay = new Set<Promise<void>>()

  constructor(words: DatabaseWords) {
    this.#words = words
  }

  /** To be asked in the writer's turn. */
  isOutdated(stamp: CheckStamp): boolean {
    const { design, settings } = stampOf(this.#words)
    return this.#underWay.size > 0 || stamp.design !== design || stamp.settings !== settings
  }

  /** A transaction that was built changes what edits are checked against. The answer is to be called when it has settled and is told. */
  begin(): () => void {
    let settle = (): void => {}
    const settled = new Promise<void>((resolve) => {
      settle = resolve
    })
    this.#underWay.add(settled)
    return () => {
      this.#underWay.delete(settled)
      settle()
    }
  }

  /** Resolves when what is under way now has settled: before, no check can be up to date. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay)
  }
}
