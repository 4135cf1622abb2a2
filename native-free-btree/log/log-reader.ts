/**
 * The operations of a file's groups, read by somebody who is not its writer. Of a stretch of the log only the last
 * operation on each key counts: a copy as of one commit, given those, is a copy as of the commit that the stretch
 * ends with. So a copy follows its original in stretches of bounded length.
 */
import type { LogChange, LogPoint, LogStretch } from '../api.ts'
import type { StorageFile } from '../disk/file-system.ts'
import { StorageError } from '../errors.ts'
import { CellView, readCell } from '../page/cell.ts'
import type { ValueReader } from '../values/values.ts'
import { NO_CHECKPOINT } from './group.ts'
import { Replay } from './replay.ts'
import { walkGroups } from './walk.ts'

const view = new CellView()

export class LogReader {
  readonly #file: StorageFile
  readonly #salt: bigint
  readonly #values: ValueReader
  readonly #names: Map<number, string>

  /** `names` are those of the trees by id; the log's own definitions are added to it. */
  constructor(file: StorageFile, salt: bigint, values: ValueReader, names: Map<number, string>) {
    this.#file = file
    this.#salt = salt
    this.#values = values
    this.#names = names
  }

  /**
   * The changes from `from` on, up to the first commit that ends at `maxBytes` behind it or further, or at `end`,
   * which must be the end of a durable group. Throws DAMAGED when the groups do not lead there.
   */
  async read(from: LogPoint, end: number, maxBytes: number): Promise<LogStretch> {
    for (let bytes = maxBytes; ; bytes *= 2) {
      const limit = Math.min(end, from.position + bytes)
      const changes = new Map<string, LogChange>()
      const replay = new Replay({
        define: ({ id, name }) => this.#names.set(id, name),
        treeById: (id) => this.#collector(id, changes),
      })
      const start = {
        position: from.position,
        lastHash: from.previousHash,
        lastPosition: 0,
        commit: 0,
        generation: 0,
        checkpoint: NO_CHECKPOINT,
      }
      const walk = await walkGroups(this.#file, this.#salt, start, {
        durableEnd: 0,
        limit,
        visit: (header, payload) => replay.group(header, payload),
      })
      const { position, lastHash } = walk.end
      if (walk.trailingParts > 0 && limit < end) continue
      if (position < limit) {
        throw new StorageError('DAMAGED', `the groups from ${from.position} on do not lead to ${limit}`, {
          position,
        })
      }
      return { changes: [...changes.values()], next: { position, previousHash: lastHash } }
    }
  }

  #collector(id: number, changes: Map<string, LogChange>) {
    const tree = this.#names.get(id)
    if (tree === undefined) return undefined
    const note = (key: Buffer, value: (() => Buffer) | undefined): void => {
      changes.set(`${id}:${key.toString('latin1')}`, { tree, key, value })
    }
    return {
      put: (source: Buffer, offset: number): void => {
        readCell(source, offset, view)
        const { isReference } = view
        const key = Buffer.from(source.subarray(view.keyStart, view.keyEnd))
        const payload = Buffer.from(source.subarray(view.payloadStart, view.end))
        note(key, () => (isReference ? this.#values.read(payload) : payload))
      },
      delete: (source: Buffer, keyStart: number, keyEnd: number): void =>
        note(Buffer.from(source.subarray(keyStart, keyEnd)), undefined),
    }
  }
}
