/**
 * A disk in memory that can lose, tear, reorder and corrupt whatever was not synced, all of it from one seed.
 *
 * - Data: see simulated-inode.ts (what is durable, pending and visible) and simulated-crash.ts (what a power loss
 *   leaves). Damage to data at rest: simulated-damage.ts.
 * - The descriptor that a folder's sync needs is opened first: a fault of 'open' on the folder's path fails that.
 * - Names: a created, renamed or removed name is durable after `syncDirectory` of its folder. At a crash a prefix
 *   of each folder's unsynced changes is kept. A rename between folders is one change in each.
 * - An operation takes effect when it is called and is acknowledged some microtasks later. A sync covers only
 *   what was acknowledged before it was called, and a source buffer changed before its write was acknowledged
 *   is an error of the caller's.
 * - `crash*` takes the power away: whatever was opened before throws POWER_LOSS from then on, and the state that
 *   the next start finds is a new disk. `afterCrash*` gives such a disk and lets this one go on.
 */
import { dirname } from 'node:path'
import type { FileSystem, OpenMode, StorageFile } from '../../../native-free-btree/index.ts'
import { StorageError } from '../../../native-free-btree/index.ts'
import { Random } from '../random.ts'
import { type CrashOptions, crashProfile, randomCrashImage, selectedCrashImage } from './simulated-crash.ts'
import { type Fault, FaultPlan, type OperationKind, PowerLoss, systemError } from './simulated-fault.ts'
import { SimulatedFile } from './simulated-file.ts'
import { type PendingOperation, SimulatedInode } from './simulated-inode.ts'
import { PAGE_SIZE, SparseImage } from './sparse-image.ts'

interface NameChange {
  readonly sequence: number
  readonly kind: 'create' | 'rename' | 'remove'
  readonly inode: SimulatedInode
  /** The name that the inode gets. */
  readonly sets?: string
  /** The name that the inode loses. */
  readonly unsets?: string
}

/** One operation that a crash may undo, in the order of issue over all files and folders. */
export interface UnsyncedOperation {
  readonly kind: 'write' | 'truncate' | 'create' | 'rename' | 'remove'
  readonly path: string
  /** Of a write. */
  readonly position?: number
  /** Bytes of a write; the new length of a truncation. */
  readonly length?: number
}

interface Unsynced {
  readonly sequence: number
  readonly operation: UnsyncedOperation
  readonly source: PendingOperation | NameChange
}

export interface DiskOptions {
  /** Each operation is acknowledged after 1 to this many microtask turns, drawn from the seed. Default 1. */
  readonly latencyTurns?: number
  /** Called before each operation that changes or hardens something; `n` counts them from 1. */
  readonly onOperation?: (kind: OperationKind, path: string, n: number) => void
}

export class SimulatedDisk implements FileSystem {
  readonly random: Random
  onOperation: DiskOptions['onOperation']
  /** Operations that changed or hardened something. */
  operations = 0
  /** Operations by kind, reads and openings among them. */
  readonly counts = new Map<OperationKind, number>()
  bytesWritten = 0
  private readonly latencyTurns: number
  private readonly faults = new FaultPlan()
  private powered = true
  private sequence = 0
  private readonly names = new Map<string, SimulatedInode>()
  private readonly durableNames = new Map<string, SimulatedInode>()
  private readonly nameChanges = new Map<string, NameChange[]>()

  constructor(seed: number | Random, options: DiskOptions = {}) {
    this.random = typeof seed === 'number' ? new Random(seed) : seed
    this.latencyTurns = options.latencyTurns ?? 1
    this.onOperation = options.onOperation
  }

  // The file system.

  async open(path: string, mode: OpenMode): Promise<StorageFile> {
    if (mode === 'create') return this.create(path)
    this.begin('open', path)
    const inode = this.names.get(path)
    if (inode === undefined) throw systemError('ENOENT', 'open', path)
    await this.settle()
    return new SimulatedFile(this, inode, path, mode)
  }

  async exists(path: string): Promise<boolean> {
    this.assertPowered()
    await this.settle()
    return this.names.has(path)
  }

  async rename(from: string, to: string): Promise<void> {
    this.begin('rename', from)
    const inode = this.names.get(from)
    if (inode === undefined) throw systemError('ENOENT', 'rename', from)
    if (from !== to) {
      this.names.delete(from)
      this.names.set(to, inode)
      this.recordRename(inode, from, to)
    }
    await this.settle()
  }

  async remove(path: string): Promise<void> {
    this.begin('remove', path)
    const inode = this.names.get(path)
    if (inode !== undefined) {
      this.names.delete(path)
      this.record(path, { sequence: this.nextSequence(), kind: 'remove', inode, unsets: path })
    }
    await this.settle()
  }

  async syncDirectory(path: string): Promise<void> {
    this.begin('open', path)
    let fault: Fault | undefined
    try {
      fault = this.begin('syncDirectory', path)
    } catch (error) {
      if (error instanceof PowerLoss) throw error
      throw new StorageError('SYNC_FAILED', `the folder ${path} could not be synced`, { path }, error)
    }
    const covered = this.nameChanges.get(path)?.length ?? 0
    await this.settle()
    if (fault?.lies === true) return
    const changes = this.nameChanges.get(path)?.splice(0, covered) ?? []
    for (const change of changes) applyNameChange(this.durableNames, change)
  }

  private async create(path: string): Promise<StorageFile> {
    this.begin('create', path)
    if (this.names.has(path)) throw systemError('EEXIST', 'open', path)
    const inode = new SimulatedInode()
    this.names.set(path, inode)
    this.record(path, { sequence: this.nextSequence(), kind: 'create', inode, sets: path })
    await this.settle()
    return new SimulatedFile(this, inode, path, 'create')
  }

  // Faults.

  /** Plans a failure; returns a function that takes it back. */
  inject(fault: Fault): () => void {
    return this.faults.add(fault)
  }

  /** Operations that have met a planned failure. */
  get faultsMet(): number {
    return this.faults.met
  }

  /** Takes the power away: every later call, and every call under way, throws POWER_LOSS. */
  powerOff(): void {
    this.powered = false
  }

  get hasPower(): boolean {
    return this.powered
  }

  /** Forgets the page cache: reads show only what is durable or can still become so. */
  dropCaches(): void {
    for (const inode of this.reachable()) inode.dropCache()
  }

  /** A disk of its own with all that this one shows, on the platter, and what was there before it last changed. */
  copy(): SimulatedDisk {
    const disk = this.afterCrashPrefix(this.unsyncedInOrder().length)
    for (const [path, inode] of this.names) {
      const copied = disk.inode(path)
      for (const [page, bytes] of inode.history) copied.history.set(page, bytes)
    }
    return disk
  }

  // Crashes.

  /** All that a crash may undo, in the order of issue. */
  unsynced(): UnsyncedOperation[] {
    return this.unsyncedInOrder().map(({ operation }) => operation)
  }

  /** What the next start may find, drawn at random. */
  afterCrash(options: CrashOptions = {}): SimulatedDisk {
    const random = options.random ?? this.random.fork()
    const profile = crashProfile(random, options)
    const names = new Map(this.durableNames)
    for (const changes of this.nameChanges.values()) {
      const kept = random.pick([0, changes.length, random.int(changes.length + 1)])
      for (const change of changes.slice(0, kept)) applyNameChange(names, change)
    }
    const images = [...this.reachable()]
    const otherBytes = () => {
      const { visible } = random.pick(images)
      const page = random.int(Math.ceil(visible.length / PAGE_SIZE))
      return visible.slice(page * PAGE_SIZE, PAGE_SIZE)
    }
    return this.restarted(random, names, (inode) => randomCrashImage(inode, random, profile, otherBytes))
  }

  /**
   * The disk after exactly the first `count` unsynced operations, whole; with `torn` a part of the next one
   * lands too.
   */
  afterCrashPrefix(count: number, torn?: 'sectors' | 'bytes'): SimulatedDisk {
    const all = this.unsyncedInOrder()
    const next = torn === undefined ? undefined : all[count]?.source
    return this.afterSelected(all.slice(0, count), next, torn === 'bytes')
  }

  /** The disk after the unsynced operations that `selects` accepts, whole and in their order. */
  afterCrashSubset(selects: (operation: UnsyncedOperation, index: number) => boolean): SimulatedDisk {
    return this.afterSelected(
      this.unsyncedInOrder().filter(({ operation }, index) => selects(operation, index)),
      undefined,
      false,
    )
  }

  crash(options: CrashOptions = {}): SimulatedDisk {
    this.powerOff()
    return this.afterCrash(options)
  }

  crashPrefix(count: number, torn?: 'sectors' | 'bytes'): SimulatedDisk {
    this.powerOff()
    return this.afterCrashPrefix(count, torn)
  }

  crashSubset(selects: (operation: UnsyncedOperation, index: number) => boolean): SimulatedDisk {
    this.powerOff()
    return this.afterCrashSubset(selects)
  }

  // What a test sees and sets without going through an operation.

  /** The names that exist now, sorted. */
  paths(): string[] {
    return [...this.names.keys()].sort()
  }

  /** Puts a durable file in place, with `content` at `position` after zeros. */
  install(path: string, content: Uint8Array, position = 0): void {
    const image = new SparseImage()
    image.truncate(position + content.length)
    image.write(content, position)
    this.installImage(path, image)
  }

  /** Puts a durable file in place, which is the image's only owner from now on. */
  installImage(path: string, image: SparseImage): void {
    const inode = SimulatedInode.of(image)
    this.names.set(path, inode)
    this.durableNames.set(path, inode)
  }

  /** The file behind a name, for inspection and damage. Throws ENOENT. */
  inode(path: string): SimulatedInode {
    const inode = this.names.get(path)
    if (inode === undefined) throw systemError('ENOENT', 'inode', path)
    return inode
  }

  /** What reads see of a whole file. */
  content(path: string): Uint8Array {
    const { visible } = this.inode(path)
    return visible.slice(0, visible.length)
  }

  // For SimulatedFile.

  leadsTo(path: string, inode: SimulatedInode): boolean {
    return this.names.get(path) === inode
  }

  /**
   * Counts an operation, tells the hook, and throws the fault that is due. A fault of a write or sync, and one that
   * lies, has an effect of its own and is returned instead.
   */
  begin(kind: OperationKind, path: string): Fault | undefined {
    this.assertPowered()
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1)
    if (kind !== 'read' && kind !== 'open') {
      this.operations++
      this.onOperation?.(kind, path, this.operations)
      this.assertPowered()
    }
    const fault = this.faults.take(kind, path)
    if (fault === undefined || kind === 'write' || kind === 'sync' || fault.lies === true) return fault
    throw systemError(fault.code ?? 'EIO', kind, path)
  }

  /** Lets other work go on for as long as an operation takes. Throws POWER_LOSS if the power went meanwhile. */
  async settle(): Promise<void> {
    for (let turns = this.random.between(1, this.latencyTurns); turns > 0; turns--) await Promise.resolve()
    this.assertPowered()
  }

  nextSequence(): number {
    return this.sequence++
  }

  private assertPowered(): void {
    if (!this.powered) throw new PowerLoss()
  }

  private record(path: string, change: NameChange): void {
    const directory = dirname(path)
    const changes = this.nameChanges.get(directory)
    if (changes === undefined) this.nameChanges.set(directory, [change])
    else changes.push(change)
  }

  private recordRename(inode: SimulatedInode, from: string, to: string): void {
    if (dirname(from) === dirname(to)) {
      this.record(to, { sequence: this.nextSequence(), kind: 'rename', inode, sets: to, unsets: from })
      return
    }
    this.record(to, { sequence: this.nextSequence(), kind: 'rename', inode, sets: to })
    this.record(from, { sequence: this.nextSequence(), kind: 'rename', inode, unsets: from })
  }

  /** Every file that has a name now, or may have one after a crash, with the name it is known by. */
  private reachable(): Set<SimulatedInode> {
    return new Set(this.knownNames().keys())
  }

  private knownNames(): Map<SimulatedInode, string> {
    const known = new Map<SimulatedInode, string>()
    for (const [path, inode] of this.durableNames) known.set(inode, path)
    for (const changes of this.nameChanges.values()) {
      for (const { inode, sets, unsets } of changes) known.set(inode, sets ?? unsets ?? '')
    }
    for (const [path, inode] of this.names) known.set(inode, path)
    return known
  }

  private unsyncedInOrder(): Unsynced[] {
    const all: Unsynced[] = []
    for (const [inode, path] of this.knownNames()) {
      for (const source of inode.pending) {
        all.push({ sequence: source.sequence, operation: describe(source, path), source })
      }
    }
    for (const changes of this.nameChanges.values()) {
      for (const source of changes) {
        const path = source.sets ?? source.unsets ?? ''
        all.push({ sequence: source.sequence, operation: { kind: source.kind, path }, source })
      }
    }
    return all.sort((a, b) => a.sequence - b.sequence)
  }

  private afterSelected(
    selected: readonly Unsynced[],
    torn: PendingOperation | NameChange | undefined,
    atBytes: boolean,
  ): SimulatedDisk {
    const random = this.random.fork()
    const sources = new Set(selected.map(({ source }) => source))
    const names = new Map(this.durableNames)
    for (const { source } of selected) if ('inode' in source) applyNameChange(names, source)
    const tear = torn === undefined || 'inode' in torn ? undefined : { operation: torn, random, atBytes }
    return this.restarted(random, names, (inode) =>
      selectedCrashImage(inode, (operation) => sources.has(operation), tear),
    )
  }

  private restarted(
    random: Random,
    names: ReadonlyMap<string, SimulatedInode>,
    imageOf: (inode: SimulatedInode) => SparseImage,
  ): SimulatedDisk {
    const disk = new SimulatedDisk(random, { latencyTurns: this.latencyTurns })
    const restartedInodes = new Map<SimulatedInode, SimulatedInode>()
    for (const [path, inode] of names) {
      const restarted = restartedInodes.get(inode) ?? SimulatedInode.of(imageOf(inode))
      restartedInodes.set(inode, restarted)
      disk.names.set(path, restarted)
      disk.durableNames.set(path, restarted)
    }
    return disk
  }
}

function describe(operation: PendingOperation, path: string): UnsyncedOperation {
  if (operation.kind === 'truncate') return { kind: 'truncate', path, length: operation.length }
  return { kind: 'write', path, position: operation.position, length: operation.data.length }
}

/** A name is taken away only from the file that the change was about: another may have got it since. */
function applyNameChange(names: Map<string, SimulatedInode>, change: NameChange): void {
  if (change.unsets !== undefined && names.get(change.unsets) === change.inode) names.delete(change.unsets)
  if (change.sets !== undefined) names.set(change.sets, change.inode)
}
