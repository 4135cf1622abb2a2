/**
 * Brings the trees of a file back to its last durable commit: the last checkpoint, and the groups since, which are read
 * here and applied to the trees later (tree/late-changes.ts).
 */
import type { TreeOptions } from '../api.ts'
import type { CacheSpace } from '../cache/page-cache.ts'
import { PageSource } from '../cache/page-source.ts'
import { hash64, positionSeed } from '../disk/checksum.ts'
import type { StorageFile } from '../disk/file-system.ts'
import { StorageError } from '../errors.ts'
import { MAX_GROUP_BYTES } from '../format.ts'
import type { CheckpointPointer } from '../log/group.ts'
import { type Located, requireGenesis } from '../log/recovery.ts'
import { Replay, type ReplayTree } from '../log/replay.ts'
import { type WalkState, walkGroups } from '../log/walk.ts'
import { NO_ATTRIBUTES, type TreeDefinition } from '../tree/definition.ts'
import { Tree } from '../tree/tree.ts'
import { type CheckpointRecord, decodeCheckpoint } from '../write/checkpoint.ts'
import type { Ledger } from '../write/ledger.ts'

/** Reads and verifies a checkpoint's record. Throws DAMAGED. */
export function readCheckpoint(
  file: StorageFile,
  salt: bigint,
  pointer: CheckpointPointer,
): CheckpointRecord {
  const damaged = (what: string, cause?: unknown) =>
    new StorageError(
      'DAMAGED',
      `the checkpoint at ${pointer.position} is damaged: ${what}`,
      { position: pointer.position },
      cause,
    )
  if (pointer.length > MAX_GROUP_BYTES) throw damaged('its length is impossible')
  const bytes = Buffer.allocUnsafeSlow(pointer.length)
  const read = file.readSync(bytes, pointer.position)
  if (read !== pointer.length) throw damaged(`only ${read} of ${pointer.length} bytes are there`)
  if (hash64(bytes, positionSeed(salt, pointer.position)) !== pointer.hash) {
    throw damaged('its checksum does not match the one in its group')
  }
  try {
    return decodeCheckpoint(bytes)
  } catch (error) {
    if (error instanceof RangeError) throw damaged('its fields make no sense', error)
    throw error
  }
}

export interface LoadedTrees {
  trees: Map<string, Tree>
  /** Trees that the caller named and the file does not know. */
  added: Tree[]
  replayPosition: number
  replayPreviousHash: bigint
  replayBytes: number
  groupsReplayed: number
  recordsReplayed: number
}

/**
 * Builds the trees as of `located.end`: the last checkpoint's, then the groups after its frozen commit. Throws
 * DAMAGED; COMPARATOR_MISMATCH and REDUCER_MISMATCH, also for a tree that the caller does not name when the
 * groups change it.
 */
export async function loadTrees(
  file: StorageFile,
  located: Located,
  options: Readonly<Record<string, TreeOptions>>,
  space: CacheSpace,
  ledger: Ledger,
  writing: boolean,
): Promise<LoadedTrees> {
  const source = new PageSource(file, located.salt, space)
  const trees = new Map<string, Tree>()
  const byId = new Map<number, Tree>()
  /** By id, the trees that the groups have changed so far. */
  const changed = new Map<number, ReplayTree>()
  const define = (definition: TreeDefinition): Tree => {
    const given = Object.hasOwn(options, definition.name) ? options[definition.name]! : {}
    if (Object.hasOwn(options, definition.name)) assertSame(definition, given)
    const tree = new Tree(definition, given, source, ledger)
    trees.set(definition.name, tree)
    byId.set(definition.id, tree)
    changed.delete(definition.id)
    return tree
  }
  const pointer = located.end.checkpoint
  const checkpoint = pointer.position === 0 ? undefined : readCheckpoint(file, located.salt, pointer)
  for (const { definition, root } of checkpoint?.trees ?? []) define(definition).root = root
  const start = await replayStart(file, located, checkpoint)
  const treeById = (id: number): ReplayTree | undefined => {
    const known = changed.get(id)
    if (known !== undefined) return known
    const tree = byId.get(id)
    if (tree === undefined) return undefined
    // Without the caller's order or summary a record cannot be put where it belongs.
    if (writing) tree.assertWritable()
    else tree.assertReadable()
    const later = tree.later()
    changed.set(id, later)
    return later
  }
  const replay = new Replay({ define, treeById })
  const limit = located.end.position
  const walk = await walkGroups(file, located.salt, start, {
    durableEnd: 0,
    limit,
    visit: (header, payload) => replay.group(header, payload),
  })
  if (walk.end.position !== limit || walk.end.lastHash !== located.end.lastHash) {
    throw new StorageError('DAMAGED', `the groups from ${start.position} on do not lead to ${limit}`, {
      position: walk.end.position,
    })
  }
  const added: Tree[] = []
  let nextId = Math.max(0, ...byId.keys()) + 1
  for (const [name, given] of Object.entries(options)) {
    if (trees.has(name)) continue
    added.push(define(definitionOf(nextId++, name, given)))
  }
  return {
    trees,
    added,
    replayPosition: start.position,
    replayPreviousHash: start.lastHash,
    replayBytes: limit - start.position,
    groupsReplayed: walk.groups,
    recordsReplayed: replay.records,
  }
}

/** Where replay begins: where the checkpoint says, or later where a superblock knows that nothing came between. */
async function replayStart(
  file: StorageFile,
  located: Located,
  checkpoint: CheckpointRecord | undefined,
): Promise<Located['start']> {
  const { start } = located
  if (checkpoint === undefined) {
    if (start.checkpoint.position === 0) return start
    return (await requireGenesis(file)).start
  }
  const pointer = located.end.checkpoint
  if (start.checkpoint.position === pointer.position && start.position >= checkpoint.replay.position) {
    return start
  }
  return replayOf(pointer, checkpoint)
}

/** Where a walk begins that brings a checkpoint's trees up to the groups behind its commit. */
export function replayOf(pointer: CheckpointPointer, { replay, frozenCommit }: CheckpointRecord): WalkState {
  return {
    position: replay.position,
    lastHash: replay.previousHash,
    lastPosition: 0,
    commit: frozenCommit,
    generation: 0,
    checkpoint: pointer,
  }
}

/** Of a tree that the caller named and the file does not know. Throws INVALID_ARGUMENT. */
export function definitionOf(id: number, name: string, options: TreeOptions): TreeDefinition {
  for (const text of [name, options.comparator?.name ?? '', options.reducer?.name ?? '']) {
    if (Buffer.byteLength(text) > 255) {
      throw new StorageError('INVALID_ARGUMENT', 'a name is longer than 255 bytes', { name: text })
    }
  }
  return {
    id,
    name,
    comparatorName: options.comparator?.name ?? '',
    comparatorVersion: options.comparator?.version ?? 0,
    reducerName: options.reducer?.name ?? '',
    reducerVersion: options.reducer?.version ?? 0,
    attributes: NO_ATTRIBUTES,
  }
}

/** Throws COMPARATOR_MISMATCH and REDUCER_MISMATCH. */
export function assertSame(definition: TreeDefinition, options: TreeOptions): void {
  const { comparator, reducer } = options
  const { name } = definition
  if (
    (comparator?.name ?? '') !== definition.comparatorName ||
    (comparator?.version ?? 0) !== definition.comparatorVersion
  ) {
    throw new StorageError(
      'COMPARATOR_MISMATCH',
      `tree ${name} was made with the comparator ${named(definition.comparatorName, definition.comparatorVersion)}`,
      { tree: name },
    )
  }
  if (
    (reducer?.name ?? '') !== definition.reducerName ||
    (reducer?.version ?? 0) !== definition.reducerVersion
  ) {
    throw new StorageError(
      'REDUCER_MISMATCH',
      `tree ${name} was made with the reducer ${named(definition.reducerName, definition.reducerVersion)}`,
      { tree: name },
    )
  }
}

function named(name: string, version: number): string {
  return name === '' ? '(none)' : `${name} version ${version}`
}
