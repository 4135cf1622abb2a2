/**
 * A folder and all in it, as the calls of a trace made it: what is visible, what is durable, and the changes between.
 *
 * - A file's bytes are durable after an fsync or fdatasync of it that began after their write had returned. What a
 *   power loss leaves of the others: test/support/simulated-inode.ts and simulated-crash.ts.
 * - A name (made, renamed, linked or removed) is durable after an fsync of its folder that began after the change had
 *   returned. An fsync of the file does not make its name durable, and a folder that is lost takes all in it along.
 */
import { basename, dirname } from 'node:path'
import { type PendingOperation, SimulatedInode } from '../disk/simulated-inode.ts'
import { TraceError } from './strace.ts'

export interface TracedFile {
  readonly kind: 'file'
  readonly number: number
  /** The name it was made under. */
  readonly firstName: string
  readonly inode: SimulatedInode
  /** How often a sync of it returned: its durable content is told apart by this. */
  syncs: number
}

export interface TracedFolder {
  readonly kind: 'folder'
  readonly path: string
  readonly visible: Map<string, TracedNode>
  readonly durable: Map<string, TracedNode>
  pending: NameChange[]
}

export type TracedNode = TracedFile | TracedFolder

/** A change of one folder's names. A rename within a folder is one; one between folders is two. */
export interface NameChange {
  readonly sequence: number
  readonly folder: TracedFolder
  readonly node: TracedNode
  readonly sets?: string
  readonly unsets?: string
  /** Of a rename between folders, which is two changes, the other one: set in the second. */
  readonly firstHalf?: NameChange
  /** Whether the name was another file's. */
  readonly replaces?: boolean
  settled: boolean
}

/** Finishes what a call began: to be called when it returned. */
export type Finish = () => void

type Names = Pick<NameChange, 'sets' | 'unsets' | 'firstHalf' | 'replaces'>

function emptyFolder(path: string): TracedFolder {
  return { kind: 'folder', path, visible: new Map(), durable: new Map(), pending: [] }
}

export class TracedTree {
  readonly root: TracedFolder
  #sequence = 0
  #files = 0

  /** `path` is the folder's own. Its name is taken to be durable. */
  constructor(path: string) {
    this.root = emptyFolder(path)
  }

  /** Number that the next change will have. */
  get sequence(): number {
    return this.#sequence
  }

  contains(path: string): boolean {
    return path === this.root.path || path.startsWith(`${this.root.path}/`)
  }

  /** What a path names now. */
  find(path: string): TracedNode | undefined {
    if (path === this.root.path) return this.root
    const parent = this.find(dirname(path))
    return parent?.kind === 'folder' ? parent.visible.get(basename(path)) : undefined
  }

  #folderOf(path: string): TracedFolder {
    const folder = this.find(dirname(path))
    if (folder?.kind !== 'folder') throw new TraceError(`${dirname(path)} is no folder that the trace made`)
    return folder
  }

  #change(folder: TracedFolder, node: TracedNode, names: Names): Finish {
    return settling(this.#begin(folder, node, names))
  }

  #begin(folder: TracedFolder, node: TracedNode, names: Names): NameChange {
    const change = { sequence: this.#sequence++, folder, node, ...names, settled: false }
    applyChange(folder.visible, change)
    folder.pending.push(change)
    return change
  }

  createFile(path: string): { file: TracedFile; finish: Finish } {
    const file: TracedFile = {
      kind: 'file',
      number: this.#files++,
      firstName: basename(path),
      inode: new SimulatedInode(),
      syncs: 0,
    }
    return { file, finish: this.#change(this.#folderOf(path), file, { sets: basename(path) }) }
  }

  createFolder(path: string): Finish {
    return this.#change(this.#folderOf(path), emptyFolder(path), { sets: basename(path) })
  }

  link(from: string, to: string): Finish {
    return this.#change(this.#folderOf(to), this.#node(from), { sets: basename(to) })
  }

  remove(path: string): Finish {
    return this.#change(this.#folderOf(path), this.#node(path), { unsets: basename(path) })
  }

  rename(from: string, to: string): Finish {
    const node = this.#node(from)
    if (node.kind === 'folder') throw new TraceError(`${from}: folders that are renamed are not understood`)
    const [source, target] = [this.#folderOf(from), this.#folderOf(to)]
    const replaces = target.visible.has(basename(to))
    if (source === target) {
      return this.#change(target, node, { sets: basename(to), unsets: basename(from), replaces })
    }
    const firstHalf = this.#begin(target, node, { sets: basename(to), replaces })
    const second = this.#begin(source, node, { unsets: basename(from), firstHalf })
    return () => {
      firstHalf.settled = true
      second.settled = true
    }
  }

  #node(path: string): TracedNode {
    const node = this.find(path)
    if (node === undefined) throw new TraceError(`${path} is nothing that the trace made`)
    return node
  }

  write(file: TracedFile, bytes: Uint8Array, position: number): Finish {
    const operation = file.inode.write(this.#sequence++, bytes, position)
    return () => {
      operation.settled = true
    }
  }

  truncate(file: TracedFile, length: number): Finish {
    const operation = file.inode.truncate(this.#sequence++, length)
    return () => {
      operation.settled = true
    }
  }

  sync(node: TracedNode): Finish {
    if (node.kind === 'file') {
      const covered = new Set(node.inode.pending.filter(({ settled }) => settled))
      return () => {
        node.inode.harden(covered)
        node.syncs += 1
      }
    }
    const covered = new Set(node.pending.filter(({ settled }) => settled))
    return () => {
      for (const change of node.pending) if (covered.has(change)) applyChange(node.durable, change)
      node.pending = node.pending.filter((change) => !covered.has(change))
    }
  }

  /** Changes of names that are settled become durable, up to this sequence, over all folders. */
  hardenNames(sequence: number): void {
    const isCovered = (change: NameChange) => change.settled && change.sequence <= sequence
    for (const folder of this.folders()) {
      for (const change of folder.pending) if (isCovered(change)) applyChange(folder.durable, change)
      folder.pending = folder.pending.filter((change) => !isCovered(change))
    }
  }

  /** All folders that have a name or may have one after a crash, each before those in it. */
  folders(): TracedFolder[] {
    const found = new Set([this.root])
    for (const folder of found)
      for (const node of nodesIn(folder)) if (node.kind === 'folder') found.add(node)
    return [...found]
  }

  /** All files that have a name or may have one after a crash. */
  files(): Set<TracedFile> {
    const found = new Set<TracedFile>()
    for (const folder of this.folders()) {
      for (const node of nodesIn(folder)) if (node.kind === 'file') found.add(node)
    }
    return found
  }

  /** The files that are visible now, by their paths. */
  visibleFiles(): Map<string, TracedFile> {
    const files = new Map<string, TracedFile>()
    collect(this.root, this.root.path, (folder) => folder.visible, files)
    return files
  }
}

function settling(change: NameChange): Finish {
  return () => {
    change.settled = true
  }
}

function nodesIn(folder: TracedFolder): TracedNode[] {
  return [...folder.durable.values(), ...folder.pending.map(({ node }) => node), ...folder.visible.values()]
}

/** A name is taken away only from the node that the change was about: another may have got it since. */
export function applyChange(names: Map<string, TracedNode>, { node, sets, unsets }: NameChange): void {
  if (unsets !== undefined && names.get(unsets) === node) names.delete(unsets)
  if (sets !== undefined) names.set(sets, node)
}

/** Walks the names that `namesOf` gives for each folder, from `folder` on, and puts the files into `files`. */
export function collect(
  folder: TracedFolder,
  path: string,
  namesOf: (folder: TracedFolder) => ReadonlyMap<string, TracedNode>,
  files: Map<string, TracedFile>,
): void {
  for (const [name, node] of namesOf(folder)) {
    if (node.kind === 'file') files.set(`${path}/${name}`, node)
    else collect(node, `${path}/${name}`, namesOf, files)
  }
}

export type Pending = PendingOperation | NameChange
