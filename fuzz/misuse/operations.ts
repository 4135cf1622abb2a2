/**
 * Operations of a transaction: right ones with strange bytes, which take effect when they return and else do not, and wrong
 * ones, which are refused.
 */
import type { Transaction } from '../../native-free-btree/index.ts'
import { type Contents, TREE_NAMES, type TreeName } from './contents.ts'
import { CallersError, noBytes, strangeBytes } from './hostile-values.ts'
import { isCode, refused } from './refusals.ts'
import type { Subject } from './subject.ts'

interface LooseTransaction {
  get(...args: unknown[]): unknown
  put(...args: unknown[]): unknown
  delete(...args: unknown[]): unknown
  append(...args: unknown[]): unknown
}

export function operate(run: Subject, tx: Transaction, contents: Contents): void {
  const { random } = run
  const tree = random.pick(TREE_NAMES)
  const key = run.someKey(tree)
  const given = random.bool(0.3)
    ? strangeBytes(random, key)
    : { given: Buffer.from(key), spoil: () => undefined }
  const kind = random.int(10)
  try {
    if (kind < 2) {
      const found = tx.get(tree, given.given)
      const wanted = contents.get(tree, key)
      if (Buffer.compare(found ?? Buffer.of(0), wanted ?? Buffer.of(0)) !== 0) {
        throw new Error(`a transaction reads ${found?.length} bytes of tree ${tree}, not ${wanted?.length}`)
      }
      found?.fill(0x99)
    } else if (kind < 4) {
      tx.delete(tree, given.given)
      contents.delete(tree, key)
    } else put(run, tx, contents, tree, key, given.given)
  } catch (error) {
    // Only a mood may have come between.
    if (!(error instanceof CallersError || (isCode(error, 'INVALID_ARGUMENT') && run.isMoody))) throw error
    run.coverage.count('operationsTakenBack')
  } finally {
    given.spoil()
  }
}

function put(
  run: Subject,
  tx: Transaction,
  contents: Contents,
  tree: TreeName,
  key: Buffer,
  givenKey: Uint8Array,
): void {
  const { random } = run
  const bytes = run.someValue()
  const { given, spoil } = random.bool(0.3)
    ? strangeBytes(random, bytes)
    : { given: Buffer.from(bytes), spoil: () => undefined }
  try {
    if (tree !== 'refs') {
      tx.put(tree, givenKey, given)
      contents.put(tree, key, bytes)
      return
    }
    const reference = tx.append(given)
    const value = Buffer.from(reference)
    tx.put(tree, givenKey, reference)
    contents.append(value, bytes)
    contents.put(tree, key, value)
    reference.fill(0x77)
  } finally {
    spoil()
  }
}

export function misuseOperation({ random, coverage }: Subject, transaction: Transaction): void {
  const tx = transaction as unknown as LooseTransaction
  const good = Buffer.from('good')
  const long = Buffer.alloc(65_537)
  const tree = random.pick([
    ...TREE_NAMES,
    ...TREE_NAMES,
    'no such tree',
    undefined,
    5,
    Symbol('tree'),
    {},
    '__proto__',
  ])
  const [name, call] = random.pick<[string, () => unknown]>([
    ['put of no key', () => tx.put(tree, noBytes(random), good)],
    ['put of no value', () => tx.put(tree, good, noBytes(random))],
    ['put of nothing', () => tx.put(tree, good)],
    ['put of too long a key', () => tx.put(tree, long, good)],
    ['delete of no key', () => tx.delete(tree, noBytes(random))],
    ['delete of too long a key', () => tx.delete(tree, long)],
    ['get of no key', () => tx.get(tree, noBytes(random))],
    ['append of no bytes', () => tx.append(noBytes(random))],
    ['put without a tree', () => tx.put('none', good, good)],
  ])
  refused(name, call, ['INVALID_ARGUMENT', 'KEY_TOO_LARGE', 'UNKNOWN_TREE'])
  coverage.count('refused')
}
