/**
 * Plays a trace: its file-system calls onto a TracedTree, its requests and answers onto the sets of what had reached
 * the server and what it had acknowledged. A request is known by the number in its URL (`?number=17`), an
 * acknowledgement is the beginning of the write that sends an answer of 200 to 299 on the same connection.
 *
 * Calls that would change the folder in a way that is not understood are errors; so are writes that came short.
 */
import { join } from 'node:path'
import {
  bytesOf,
  bytesOfVector,
  parseTrace,
  TraceError,
  type TraceEvent,
} from '../../src/lab/syscalls/strace.ts'
import {
  type Finish,
  type TracedFile,
  type TracedNode,
  TracedTree,
} from '../../src/lab/syscalls/traced-tree.ts'

/** The calls that have to be recorded. */
export const TRACED_CALLS = [
  ...['open', 'openat', 'creat', 'close', 'dup', 'dup2', 'dup3', 'fcntl'],
  ...['read', 'write', 'writev', 'pwrite64', 'pwritev', 'pwritev2', 'sendfile', 'copy_file_range'],
  ...['ftruncate', 'truncate', 'fallocate', 'fsync', 'fdatasync', 'sync_file_range'],
  ...['rename', 'renameat', 'renameat2', 'link', 'linkat', 'symlink', 'symlinkat', 'unlink', 'unlinkat'],
  ...['mkdir', 'mkdirat', 'rmdir', 'sendto', 'sendmsg'],
]

/** Names that sockets are bound to: they hold no data. */
const SOCKET = /^\.lock-/

interface Descriptor {
  readonly node: TracedNode
  position: number
  readonly appends: boolean
}

/** A moment at which it is worth to ask what a crash would leave. */
export type Moment = 'synced' | 'acknowledgement' | 'end'

export class TracePlayer {
  readonly tree: TracedTree
  /** Requests that the server had read. */
  readonly begun = new Set<number>()
  readonly acknowledged = new Set<number>()
  /** Calls that changed or synced something in the folder, by name. */
  readonly calls = new Map<string, number>()
  /** Superblocks that named another checkpoint than the one before in the same file. */
  checkpoints = 0
  readonly #named = new Map<TracedFile, bigint>()
  #descriptors = new Map<number, Descriptor>()
  #connections = new Map<number, number>()
  readonly #finishes = new Map<TraceEvent['call'], Finish>()

  constructor(folder: string) {
    this.tree = new TracedTree(folder)
  }

  /**
   * Plays one process's trace. A sync's moment is the one before anything counts as synced by it, when most is
   * pending; an acknowledgement's is right after it was given, when least may be missing.
   */
  *play(text: string): Generator<{ moment: Moment; line: number }, void, void> {
    this.#descriptors = new Map()
    this.#connections = new Map()
    this.#finishes.clear()
    for (const event of parseTrace(text)) {
      const { call, kind, line } = event
      try {
        yield* this.#playEvent(call, kind, line)
      } catch (error) {
        if (!(error instanceof TraceError)) throw error
        throw new TraceError(`line ${line}, ${call.name}: ${error.message}`)
      }
    }
    if (this.#finishes.size > 0) throw new TraceError('the process ended in the middle of a call')
    yield { moment: 'end', line: 0 }
  }

  *#playEvent(call: TraceEvent['call'], kind: TraceEvent['kind'], line: number) {
    const isSync = call.name === 'fsync' || call.name === 'fdatasync'
    if (kind !== 'end') {
      if (this.#acknowledges(call)) yield { moment: 'acknowledgement' as const, line }
      // A call that failed changed nothing; of one that goes on nobody knows yet.
      if (kind === 'begin' || call.result !== -1) this.#begin(call)
    }
    if (kind === 'begin') return
    this.#readRequest(call)
    const finish = this.#finishes.get(call)
    this.#finishes.delete(call)
    if (isSync && finish !== undefined) yield { moment: 'synced' as const, line }
    if (call.result === undefined && finish !== undefined) throw new TraceError('the process ended in it')
    if (call.result === undefined || call.result === -1) {
      if (kind === 'end' && finish !== undefined)
        throw new TraceError('it failed, and may have changed something')
      return
    }
    finish?.()
    this.#end(call)
  }

  #counted(name: string, finish: Finish): Finish {
    this.calls.set(name, (this.calls.get(name) ?? 0) + 1)
    return finish
  }

  #begin(call: TraceEvent['call']): void {
    const finish = this.#effect(call)
    if (finish !== undefined) this.#finishes.set(call, this.#counted(call.name, finish))
  }

  /** Lets the call take effect. Undefined where it has none on the folder, or only once it has returned. */
  #effect({ name, args }: TraceEvent['call']): Finish | undefined {
    const file = () => this.#fileOf(args[0]!)
    switch (name) {
      case 'write':
      case 'writev': {
        const descriptor = this.#descriptors.get(Number(args[0]))
        if (descriptor?.node.kind !== 'file') return undefined
        const bytes = name === 'write' ? bytesOf(args[1]!) : bytesOfVector(args[1]!)
        const at = descriptor.appends ? descriptor.node.inode.visible.length : descriptor.position
        descriptor.position = at + bytes.length
        return this.tree.write(descriptor.node, bytes, at)
      }
      case 'pwrite64':
      case 'pwritev': {
        const target = file()
        if (target === undefined) return undefined
        const bytes = name === 'pwrite64' ? bytesOf(args[1]!) : bytesOfVector(args[1]!)
        this.#lookAtSuperblock(target, bytes, Number(args[3]))
        return this.tree.write(target, bytes, Number(args[3]))
      }
      case 'ftruncate': {
        const target = file()
        return target === undefined ? undefined : this.tree.truncate(target, Number(args[1]))
      }
      case 'fsync':
      case 'fdatasync': {
        const node = this.#descriptors.get(Number(args[0]))?.node
        return node === undefined ? undefined : this.tree.sync(node)
      }
      case 'pwritev2':
      case 'fallocate':
      case 'copy_file_range':
      case 'sendfile':
        for (const argument of args) this.#refuse(this.#descriptors.has(Number(argument)), name)
        return undefined
      default:
        return undefined
    }
  }

  /** FORMAT.md, "Superblock": where it lies, and the position of the last checkpoint in it. */
  #lookAtSuperblock(file: TracedFile, bytes: Buffer, position: number): void {
    if (bytes.length !== 512 || (position !== 0 && position !== 4096)) return
    const checkpoint = bytes.readBigUInt64LE(88)
    if (checkpoint !== (this.#named.get(file) ?? 0n)) this.checkpoints += 1
    this.#named.set(file, checkpoint)
  }

  #fileOf(descriptor: string): TracedFile | undefined {
    const node = this.#descriptors.get(Number(descriptor))?.node
    return node?.kind === 'file' ? node : undefined
  }

  #refuse(isMeant: boolean, what: string): void {
    if (isMeant) throw new TraceError(`${what} is not understood`)
  }

  /**
   * What a call leaves when it has returned: names and descriptors. Names take effect only here, because until then
   * it is not known whether the call succeeds; nothing is lost by that, since a name that is not there yet is one of
   * the states of a crash after it.
   */
  #end({ name, args, result }: TraceEvent['call']): void {
    const descriptor = Number(args[0])
    if (name === 'open' || name === 'openat' || name === 'creat') {
      this.#opened(name, args, result!)
    } else if (name === 'close') {
      this.#descriptors.delete(descriptor)
      this.#connections.delete(descriptor)
    } else if (name.startsWith('dup')) {
      this.#refuse(this.#descriptors.has(descriptor), name)
    } else if (name === 'fcntl') {
      this.#refuse(/F_DUPFD/.test(args[1]!) && this.#descriptors.has(descriptor), 'F_DUPFD')
    } else if (/^p?write/.test(name)) {
      this.#assertWhole(name, args, result!)
    } else {
      this.#renamed(name, args)
    }
  }

  #assertWhole(name: string, args: readonly string[], result: number): void {
    if (this.#fileOf(args[0]!) === undefined) return
    const length = name.endsWith('v') ? bytesOfVector(args[1]!).length : bytesOf(args[1]!).length
    if (length !== result) throw new TraceError(`it wrote ${result} bytes of ${length}`)
  }

  #renamed(name: string, args: readonly string[]): void {
    const finish = this.#nameEffect(name, args)
    if (finish !== undefined) this.#counted(name, finish)()
  }

  #nameEffect(name: string, args: readonly string[]): Finish | undefined {
    const { tree } = this
    switch (name) {
      case 'rename':
      case 'renameat':
      case 'renameat2':
      case 'link':
      case 'linkat': {
        const [from, to] =
          name.endsWith('at') || name.endsWith('2') ? [args[1]!, args[3]!] : [args[0]!, args[1]!]
        const [source, target] = [this.#path(from), this.#path(to)]
        if (source === undefined && target === undefined) return undefined
        if (SOCKET.test(target?.slice(target.lastIndexOf('/') + 1) ?? '')) return undefined
        if (source === undefined || target === undefined) throw new TraceError('it leaves the folder')
        return name.startsWith('rename') ? tree.rename(source, target) : tree.link(source, target)
      }
      case 'unlink':
      case 'rmdir':
      case 'unlinkat': {
        const path = this.#path(name === 'unlinkat' ? args[1]! : args[0]!)
        if (path === undefined || SOCKET.test(path.slice(path.lastIndexOf('/') + 1))) return undefined
        return tree.remove(path)
      }
      case 'mkdir':
      case 'mkdirat': {
        const path = this.#path(name === 'mkdirat' ? args[1]! : args[0]!)
        return path === undefined || path === tree.root.path ? undefined : tree.createFolder(path)
      }
      case 'truncate':
      case 'symlink':
      case 'symlinkat':
        for (const argument of args) {
          this.#refuse(argument.startsWith('"') && this.#path(argument) !== undefined, name)
        }
        return undefined
      default:
        return undefined
    }
  }

  #opened(name: string, args: readonly string[], descriptor: number): void {
    const path = this.#path(name === 'openat' ? args[1]! : args[0]!)
    if (path === undefined) return
    const flags = name === 'creat' ? 'O_CREAT|O_TRUNC|O_WRONLY' : (args[name === 'openat' ? 2 : 1] ?? '')
    let node = this.tree.find(path)
    if (node === undefined) {
      if (!flags.includes('O_CREAT')) throw new TraceError(`${path} was there before the trace`)
      const created = this.tree.createFile(path)
      this.#counted('create', created.finish)()
      node = created.file
    } else if (flags.includes('O_TRUNC') && node.kind === 'file') {
      this.tree.truncate(node, 0)()
    }
    this.#descriptors.set(descriptor, { node, position: 0, appends: flags.includes('O_APPEND') })
  }

  /** An absolute path in the folder; undefined for others. Throws for a relative one, which cannot be told. */
  #path(argument: string): string | undefined {
    const path = bytesOf(argument).toString()
    if (!path.startsWith('/')) return undefined
    const resolved = join(path, '.')
    return this.tree.contains(resolved) ? resolved : undefined
  }

  // Requests.

  #readRequest({ name, args, result }: TraceEvent['call']): void {
    if (name !== 'read' || result === undefined || result <= 0) return
    const descriptor = Number(args[0])
    if (this.#descriptors.has(descriptor) || !args[1]!.startsWith('"')) return
    const head = bytesOf(args[1]!.length > 4000 ? `${args[1]!.slice(0, 4001)}"` : args[1]!)
    const number = /^[A-Z]+ \S*[?&]number=(\d+)\S* HTTP\/1\.1\r\n/.exec(head.toString('latin1'))?.[1]
    if (number === undefined) return
    this.#connections.set(descriptor, Number(number))
    this.begun.add(Number(number))
  }

  #acknowledges({ name, args }: TraceEvent['call']): boolean {
    if (name !== 'write' && name !== 'writev') return false
    const descriptor = Number(args[0])
    const number = this.#connections.get(descriptor)
    if (number === undefined || this.#descriptors.has(descriptor)) return false
    const bytes = name === 'write' ? bytesOf(args[1]!) : bytesOfVector(args[1]!)
    const status = /^HTTP\/1\.1 (\d)\d\d /.exec(bytes.toString('latin1', 0, 32))?.[1]
    if (status === undefined) return false
    this.#connections.delete(descriptor)
    if (status !== '2') throw new TraceError(`request ${number} was refused: ${bytes.toString('latin1')}`)
    this.acknowledged.add(number)
    return true
  }
}
