/**
 * A transaction while its records are appended to the group. Point reads look at the group's own operations
 * first, then at the trees as they are durable. Every page that applying an operation will need is read here,
 * and made changeable, so that damage is met before the operation can become durable and the way to its leaf
 * is walked once.
 */
import type { Reference, Transaction } from '../api.ts'
import { bytesOf, targetOf, unknownTree } from '../arguments.ts'
import { assertOutside } from '../callbacks.ts'
import { StorageError } from '../errors.ts'
import { assertKey, emptyMark, type GroupBuilder, type Mark } from '../log/builder.ts'
import { CellView, copyTo, readCell } from '../page/cell.ts'
import { readReference } from '../page/reference.ts'
import { valueOfCellInto } from '../tree/point-reads.ts'
import type { Tree } from '../tree/tree.ts'
import type { ValueReader } from '../values/values.ts'
import { GroupOperations } from './group-operations.ts'

/** Values up to this many bytes lie in the leaf; longer ones out of line. */
export const INLINE_BYTES = 256

const view = new CellView()

export class GroupTransactions {
  readonly #builder: GroupBuilder
  readonly #trees: ReadonlyMap<string, Tree>
  readonly #values: ValueReader
  /** Operations of the transactions that stay in the group, and those of the one that is being built. */
  readonly #kept: GroupOperations
  readonly #own: GroupOperations
  /** Where the group was before the operation that is being added; no operation is added within another. */
  readonly #before = emptyMark()

  constructor(builder: GroupBuilder, trees: ReadonlyMap<string, Tree>, values: ValueReader) {
    this.#builder = builder
    this.#trees = trees
    this.#values = values
    this.#kept = new GroupOperations(builder)
    this.#own = new GroupOperations(builder)
  }

  /** Forgets the operations of the group before. */
  begin(): void {
    this.#kept.begin(0)
    this.#own.begin(0)
  }

  /** Runs `build`; when it throws, nothing of it stays in the group. */
  run<T>(build: (tx: Transaction) => T): T {
    const mark: Mark = this.#builder.mark()
    this.#own.begin(mark.operations)
    const handle = new Handle(this)
    try {
      const result = build(handle)
      if (isThenable(result)) throw refusePromise(result)
      return result
    } catch (error) {
      this.#builder.rollback(mark)
      throw error
    } finally {
      handle.end()
    }
  }

  tree(name: string): Tree {
    const tree = this.#trees.get(name)
    if (tree === undefined) throw unknownTree(name)
    return tree
  }

  get(name: string, key: Uint8Array): Buffer | undefined {
    const tree = this.tree(name)
    const operation = this.#lastOperation(tree, key)
    if (operation === undefined) return tree.get(key, this.#values, true)
    const offset = this.#builder.offsets[operation]!
    if (offset < 0) return undefined
    const bytes = this.#builder.bytes
    readCell(bytes, offset, view)
    if (!view.isReference) return Buffer.from(bytes.subarray(view.payloadStart, view.end))
    const payload = Buffer.from(bytes.subarray(view.payloadStart, view.end))
    const parts = readReference(payload)
    return this.#builder.holds(parts) ? this.#builder.pendingValue(parts) : this.#values.read(payload)
  }

  getInto(name: string, key: Uint8Array, target: Uint8Array): number {
    const tree = this.tree(name)
    const operation = this.#lastOperation(tree, key)
    if (operation === undefined) return tree.getInto(key, target, this.#values, true)
    const offset = this.#builder.offsets[operation]!
    if (offset < 0) return -1
    const bytes = this.#builder.bytes
    readCell(bytes, offset, view)
    if (!view.isReference) return copyTo(bytes, view.payloadStart, view.end, target)
    const parts = readReference(bytes, view.payloadStart)
    if (!this.#builder.holds(parts)) return valueOfCellInto(bytes, offset, this.#values, target)
    const value = this.#builder.pendingValue(parts)
    return copyTo(value, 0, value.length, target)
  }

  put(name: string, key: Uint8Array, value: Uint8Array): void {
    const tree = this.tree(name)
    tree.assertWritable()
    assertKey(key)
    const builder = this.#builder
    builder.mark(this.#before)
    try {
      if (value.length <= INLINE_BYTES) builder.put(tree, key, value, false)
      else builder.put(tree, key, builder.appendValue(value), true)
      builder.prepareLast()
    } catch (error) {
      this.#takeBack(error)
    }
  }

  delete(name: string, key: Uint8Array): void {
    const tree = this.tree(name)
    tree.assertWritable()
    assertKey(key)
    this.#builder.mark(this.#before)
    try {
      this.#builder.delete(tree, key)
      this.#builder.prepareLast()
    } catch (error) {
      this.#takeBack(error)
    }
  }

  append(value: Uint8Array): Reference {
    this.#builder.mark(this.#before)
    try {
      return this.#builder.appendValue(value)
    } catch (error) {
      return this.#takeBack(error)
    }
  }

  /**
   * An operation takes effect as a whole or not at all, whatever is thrown on the way (damage, a comparator's error, no
   * memory): the caller may catch it and go on with the transaction.
   */
  #takeBack(error: unknown): never {
    this.#builder.rollback(this.#before)
    throw error
  }

  /** The group's last operation on `key`. */
  #lastOperation(tree: Tree, key: Uint8Array): number | undefined {
    const own = this.#own.last(tree, key, this.#builder.operations)
    return own ?? this.#kept.last(tree, key, this.#own.first)
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  const mayBe = (typeof value === 'object' && value !== null) || typeof value === 'function'
  return mayBe && typeof (value as { then?: unknown }).then === 'function'
}

/** What it does behind its first `await` would belong to no group. Nobody waits for it any more. */
function refusePromise(promise: PromiseLike<unknown>): StorageError {
  Promise.resolve(promise).catch(() => undefined)
  return new StorageError(
    'INVALID_ARGUMENT',
    'a transaction is built synchronously: `build` must not be async, nor return a promise',
  )
}

/** What the caller holds; useless once its `build` has returned. */
class Handle implements Transaction {
  #group: GroupTransactions | undefined

  constructor(group: GroupTransactions) {
    this.#group = group
  }

  end(): void {
    this.#group = undefined
  }

  get #open(): GroupTransactions {
    assertOutside()
    if (this.#group === undefined) throw new StorageError('CLOSED', 'the transaction is over')
    return this.#group
  }

  get(tree: string, key: Uint8Array): Buffer | undefined {
    return this.#open.get(tree, bytesOf('a key', key))
  }

  getInto(tree: string, key: Uint8Array, target: Uint8Array): number {
    return this.#open.getInto(tree, bytesOf('a key', key), targetOf('a target', target))
  }

  put(tree: string, key: Uint8Array, value: Uint8Array): void {
    this.#open.put(tree, bytesOf('a key', key), bytesOf('a value', value))
  }

  delete(tree: string, key: Uint8Array): void {
    this.#open.delete(tree, bytesOf('a key', key))
  }

  append(value: Uint8Array): Reference {
    return this.#open.append(bytesOf('a value', value))
  }
}
