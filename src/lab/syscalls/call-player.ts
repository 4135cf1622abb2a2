/**
 * Plays the trace of a process that keeps something in a folder: its file-system calls onto a TracedTree, all others onto
 * whoever knows how it answers. What would change the folder in a way that this model does not have is refused, with
 * the reason.
 *
 * - A call takes effect when it begins, and counts as settled once it has returned: only then a sync covers it.
 * - Names take effect when the call has returned: a name that is not there yet is one of the states of a crash after it.
 */
import { join } from 'node:path'
import { type OpenFile, Processes } from './processes.ts'
import { bytesOf, bytesOfVector, parseTrace, TraceError, type TraceEvent } from './strace.ts'
import { type Finish, type TracedFile, type TracedNode, TracedTree } from './traced-tree.ts'

/** The calls that have to be recorded. */
export const TRACED_CALLS = [
  ...[
    'open',
    'openat',
    'openat2',
    'creat',
    'close',
    'dup',
    'dup2',
    'dup3',
    'fcntl',
    'lseek',
    'chdir',
    'fchdir',
  ],
  ...[
    'read',
    'readv',
    'write',
    'writev',
    'pwrite64',
    'pwritev',
    'pwritev2',
    'sendfile',
    'copy_file_range',
    'splice',
  ],
  ...[
    'ftruncate',
    'truncate',
    'fallocate',
    'fsync',
    'fdatasync',
    'sync_file_range',
    'sync',
    'syncfs',
    'mmap',
    'mprotect',
  ],
  ...['rename', 'renameat', 'renameat2', 'link', 'linkat', 'symlink', 'symlinkat', 'unlink', 'unlinkat'],
  ...[
    'mkdir',
    'mkdirat',
    'rmdir',
    'clone',
    'clone3',
    'fork',
    'vfork',
    'execve',
    'io_uring_setup',
    'io_submit',
  ],
]

const CLONES = ['clone', 'clone3', 'fork', 'vfork']

/** A moment at which it is worth to ask what a crash would leave. */
export interface Moment {
  readonly kind: 'sync' | 'acknowledgement' | 'end'
  readonly line: number
}

/** Knows how the process hears and answers: by a pipe, by sockets. */
export interface CallObserver {
  /** Another process begins: what the one before had open is gone. */
  processBegins(): void
  /** A call begins that is about no file of the folder. Returns whether it acknowledges something. */
  begins(call: Call): boolean
  /** Such a call has returned. */
  returned?(call: Call): void
  /** Bytes go to a file of the folder. */
  writes?(file: TracedFile, bytes: Buffer, position: number): void
}

export interface PlayerOptions {
  readonly folder: string
  /** Ends of names of files that the store makes anew at each start: nothing of them is kept. */
  readonly rebuiltFiles: readonly string[]
  /** Whether a sync of a file makes the changes of names before it durable, as one journal of all does. */
  readonly journalsNames: boolean
  readonly observer: CallObserver
}

export type Call = TraceEvent['call']

export class CallPlayer {
  readonly tree: TracedTree
  /** Line of the trace at which each change of the tree was made, and the call, by its sequence. */
  readonly origins = new Map<number, { line: number; call: string }>()
  /** Calls that changed or synced something in the folder, by name. */
  readonly calls = new Map<string, number>()
  readonly #options: PlayerOptions
  readonly #finishes = new Map<Call, Finish>()
  #processes = new Processes('/')

  constructor(options: PlayerOptions) {
    this.#options = options
    this.tree = new TracedTree(options.folder)
  }

  /**
   * Plays one process's trace. A sync's moment is the one before anything counts as synced by it, when most is pending;
   * an acknowledgement's is right after it was given, when least may be missing. Throws TraceError.
   */
  *play(text: string): Generator<Moment, void, void> {
    this.#processes = new Processes(process.cwd())
    this.#options.observer.processBegins()
    this.#finishes.clear()
    for (const event of parseTrace(text)) {
      try {
        yield* this.#playEvent(event)
      } catch (error) {
        if (!(error instanceof TraceError)) throw error
        throw new TraceError(`line ${event.line}, ${event.call.name}: ${error.message}`)
      }
    }
    yield { kind: 'end', line: 0 }
  }

  *#playEvent({ call, kind, line }: TraceEvent): Generator<Moment, void, void> {
    if (CLONES.includes(call.name)) {
      this.#cloned(call, kind)
      return
    }
    if (kind !== 'end' && call.result !== -1) {
      if (!this.#isInFolder(call) && this.#options.observer.begins(call))
        yield { kind: 'acknowledgement', line }
      const before = this.tree.sequence
      const finish = this.#effect(call)
      if (finish !== undefined) this.#finishes.set(call, finish)
      this.#note(before, line, call)
    }
    if (kind === 'begin') return
    const finish = this.#finishes.get(call)
    this.#finishes.delete(call)
    const isSync = call.name === 'fsync' || call.name === 'fdatasync'
    if (isSync && finish !== undefined) yield { kind: 'sync', line }
    if (call.result === undefined) return
    if (call.result === -1) {
      if (kind === 'end' && finish !== undefined && !isSync) throw new TraceError('it failed in the middle')
      return
    }
    finish?.()
    if (!this.#isInFolder(call)) this.#options.observer.returned?.(call)
    const before = this.tree.sequence
    this.#ended(call)
    this.#note(before, line, call)
  }

  #note(before: number, line: number, call: Call): void {
    for (let sequence = before; sequence < this.tree.sequence; sequence++) {
      this.origins.set(sequence, { line, call: call.name })
    }
    if (this.tree.sequence > before) this.#count(call.name)
  }

  #count(name: string): void {
    this.calls.set(name, (this.calls.get(name) ?? 0) + 1)
  }

  #cloned({ thread, name, args, result }: Call, kind: TraceEvent['kind']): void {
    const shares = args.join().includes('CLONE_FILES')
    if (kind === 'begin') this.#processes.beginClone(thread, shares)
    else {
      const child = result === undefined || result < 0 ? undefined : result
      if (name === 'fork' || name === 'vfork') this.#processes.endClone(thread, false, child)
      else this.#processes.endClone(thread, shares, child)
    }
  }

  /** Whether its first argument is a descriptor of something in the folder. */
  #isInFolder(call: Call): boolean {
    return this.#open(call) !== undefined
  }

  #open(call: Call, argument = 0): OpenFile | undefined {
    return this.#processes.of(call.thread).file(Number(call.args[argument]))
  }

  /** The file that a call is about, where it is one whose bytes are kept. */
  #file(call: Call): { open: OpenFile; file: TracedFile } | undefined {
    const open = this.#open(call)
    return open?.node.kind === 'file' && !this.#isRebuilt(open.node.firstName)
      ? { open, file: open.node }
      : undefined
  }

  #isRebuilt(name: string): boolean {
    return this.#options.rebuiltFiles.some((end) => name.endsWith(end))
  }

  /** Lets the call take effect. Undefined where it has none on the folder, or only once it has returned. */
  #effect(call: Call): Finish | undefined {
    const { name, args } = call
    switch (name) {
      case 'write':
      case 'writev':
      case 'pwrite64':
      case 'pwritev':
      case 'pwritev2':
        return this.#written(call)
      case 'ftruncate': {
        const found = this.#file(call)
        return found === undefined ? undefined : this.tree.truncate(found.file, Number(args[1]))
      }
      case 'fsync':
      case 'fdatasync': {
        const open = this.#open(call)
        return open === undefined ? undefined : this.#synced(open.node, name)
      }
      case 'mmap': {
        const writes = args[2]!.includes('PROT_WRITE') && args[3]!.includes('MAP_SHARED')
        const open = writes ? this.#open(call, 4) : undefined
        if (open?.node.kind === 'file' && !this.#isRebuilt(open.node.firstName)) {
          throw new TraceError(
            `${open.node.firstName} is written through a mapping, which no trace shows: ` +
              'open it otherwise, or name it among rebuiltFiles if nothing of it has to survive',
          )
        }
        return undefined
      }
      case 'io_uring_setup':
      case 'io_submit':
        throw new TraceError(
          'writes that are handed over in a ring are not shown by a trace: do without io_uring and aio',
        )
      case 'sendfile':
      case 'copy_file_range':
      case 'splice':
        for (let argument = 0; argument < args.length; argument++) {
          if (this.#open(call, argument) !== undefined)
            throw new TraceError('copies within the kernel are not in this model')
        }
        return undefined
      default:
        return undefined
    }
  }

  #written(call: Call): Finish | undefined {
    const found = this.#file(call)
    if (found === undefined) return undefined
    const { open, file } = found
    const { name, args } = call
    const bytes = name.includes('v') ? bytesOfVector(args[1]!) : bytesOf(args[1]!)
    if (call.result !== undefined && call.result >= 0 && call.result !== bytes.length) {
      throw new TraceError(`it wrote ${call.result} bytes of ${bytes.length}`)
    }
    const isPlaced = name.startsWith('p')
    let at = isPlaced ? Number(args[3]) : open.position
    if (open.appends) at = file.inode.visible.length
    if (!isPlaced) open.position = at + bytes.length
    this.#options.observer.writes?.(file, bytes, at)
    const finish = this.tree.write(file, bytes, at)
    const isSynced = open.syncs || (name === 'pwritev2' && /RWF_D?SYNC/.test(args[4] ?? ''))
    return isSynced
      ? () => {
          finish()
          this.#synced(file, 'write')()
        }
      : finish
  }

  /** A sync of a file or folder that begins now. */
  #synced(node: TracedNode, name: string): Finish {
    let names = -1
    if (this.#options.journalsNames) {
      // The journal is written up to the last change of this inode; in-place overwrites are none.
      for (const folder of this.tree.folders()) {
        for (const change of folder.pending) {
          if (change.node === node || change.folder === node) names = Math.max(names, change.sequence)
        }
      }
      if (node.kind === 'file') {
        let { length } = node.inode.durable
        for (const operation of node.inode.pending) {
          const end =
            operation.kind === 'truncate' ? operation.length : operation.position + operation.data.length
          if (operation.kind === 'truncate' || end > length) names = Math.max(names, operation.sequence)
          length = operation.kind === 'truncate' ? end : Math.max(length, end)
        }
      }
    }
    const finish = this.tree.sync(node)
    return () => {
      finish()
      this.tree.hardenNames(names)
      this.#count(name)
    }
  }

  /** What a call leaves when it has returned: names, descriptors, places in files. */
  #ended(call: Call): void {
    const { name, args, thread, result } = call
    const process = this.#processes.of(thread)
    switch (name) {
      case 'open':
      case 'openat':
      case 'openat2':
      case 'creat':
        this.#opened(call)
        break
      case 'close':
        process.close(Number(args[0]))
        break
      case 'dup':
      case 'dup2':
      case 'dup3':
      case 'fcntl': {
        if (name === 'fcntl' && !args[1]!.startsWith('F_DUPFD')) break
        const open = this.#open(call)
        if (open === undefined) process.close(result!)
        else process.set(result!, open, args.join().includes('CLOEXEC'))
        break
      }
      case 'lseek': {
        const open = this.#open(call)
        if (open !== undefined) open.position = result!
        break
      }
      case 'read':
      case 'readv': {
        const open = this.#open(call)
        if (open !== undefined) open.position += result!
        break
      }
      case 'chdir':
        process.folder = join(process.folder, bytesOf(args[0]!).toString())
        if (bytesOf(args[0]!).toString().startsWith('/')) process.folder = bytesOf(args[0]!).toString()
        break
      case 'fchdir': {
        const node = this.#open(call)?.node
        if (node?.kind === 'folder') process.folder = node.path
        break
      }
      case 'execve':
        process.executes()
        break
      case 'fallocate': {
        const found = this.#file(call)
        if (found === undefined || args[1]!.includes('KEEP_SIZE')) break
        if (args[1] !== '0') throw new TraceError(`fallocate with ${args[1]} is not in this model`)
        const end = Number(args[2]) + Number(args[3])
        if (end > found.file.inode.visible.length) this.tree.truncate(found.file, end)()
        break
      }
      case 'sync':
      case 'syncfs':
        for (const folder of this.tree.folders()) this.tree.sync(folder)()
        for (const file of this.tree.files()) this.tree.sync(file)()
        break
      default:
        this.#renamed(call)
    }
  }

  #renamed(call: Call): void {
    const { name, args } = call
    const { tree } = this
    const at = (folder: number, path: number) => this.#path(call, args[path]!, args[folder])
    const plain = (path: number) => this.#path(call, args[path]!, undefined)
    const both = name.endsWith('at') || name === 'renameat2'
    switch (name) {
      case 'rename':
      case 'renameat':
      case 'renameat2':
      case 'link':
      case 'linkat': {
        const [source, target] = both ? [at(0, 1), at(2, 3)] : [plain(0), plain(1)]
        if (source === undefined && target === undefined) return
        if (source === undefined || target === undefined) throw new TraceError('it leaves the folder')
        if ((args[4] ?? '').includes('RENAME_EXCHANGE'))
          throw new TraceError('an exchange of names is not in this model')
        // A socket, which holds no data: a file that was missed is found when the recording is held against the folder.
        if (source === target || tree.find(source) === undefined) return
        ;(name.startsWith('rename') ? tree.rename(source, target) : tree.link(source, target))()
        return
      }
      case 'unlink':
      case 'unlinkat':
      case 'rmdir': {
        const path = name === 'unlinkat' ? at(0, 1) : plain(0)
        if (path !== undefined && tree.find(path) !== undefined) tree.remove(path)()
        return
      }
      case 'mkdir':
      case 'mkdirat': {
        const path = name === 'mkdirat' ? at(0, 1) : plain(0)
        if (path !== undefined && path !== tree.root.path) tree.createFolder(path)()
        return
      }
      case 'truncate': {
        const path = plain(0)
        const node = path === undefined ? undefined : tree.find(path)
        if (node?.kind === 'file' && !this.#isRebuilt(node.firstName)) tree.truncate(node, Number(args[1]))()
        return
      }
      case 'symlink':
      case 'symlinkat':
        if ((name === 'symlink' ? plain(1) : at(1, 2)) !== undefined) {
          throw new TraceError('symbolic links are not in this model')
        }
        return
      default:
    }
  }

  #opened(call: Call): void {
    const { name, args, result, thread } = call
    const process = this.#processes.of(thread)
    // Whatever the number named before, it names something else now.
    process.close(result!)
    const isAt = name.startsWith('openat')
    const path = isAt ? this.#path(call, args[1]!, args[0]) : this.#path(call, args[0]!, undefined)
    if (path === undefined) return
    const flags = name === 'creat' ? 'O_CREAT|O_TRUNC|O_WRONLY' : (args[isAt ? 2 : 1] ?? '')
    if (flags.includes('O_TMPFILE')) throw new TraceError('a file without a name is not in this model')
    let node = this.tree.find(path)
    if (node === undefined) {
      if (!flags.includes('O_CREAT')) throw new TraceError(`${path} was there before the trace`)
      const created = this.tree.createFile(path)
      created.finish()
      node = created.file
    } else if (flags.includes('O_TRUNC') && node.kind === 'file' && node.inode.visible.length > 0) {
      this.tree.truncate(node, 0)()
    }
    const open = {
      node,
      position: 0,
      appends: flags.includes('O_APPEND'),
      syncs: /O_D?SYNC/.test(flags),
    }
    process.set(result!, open, flags.includes('O_CLOEXEC'))
  }

  /** A path in the folder; undefined for others. */
  #path(call: Call, argument: string, folder: string | undefined): string | undefined {
    const path = bytesOf(argument).toString()
    const process = this.#processes.of(call.thread)
    let base = process.folder
    if (folder !== undefined && !folder.startsWith('AT_FDCWD')) {
      const node = process.file(Number(folder))?.node
      if (node?.kind !== 'folder' && !path.startsWith('/')) return undefined
      if (node?.kind === 'folder') base = node.path
    }
    const resolved = path.startsWith('/') ? join(path, '.') : join(base, path)
    const clean = resolved.length > 1 && resolved.endsWith('/') ? resolved.slice(0, -1) : resolved
    return this.tree.contains(clean) ? clean : undefined
  }
}
