/**
 * What a server's calls say of its requests: which had reached it, which it had acknowledged. A request is known by the
 * number in its URL (`?number=17`), an acknowledgement is the beginning of the write that sends an answer of 200 to 299 on the
 * same connection.
 */
import { type Call, type CallObserver, CallPlayer } from '../../src/lab/syscalls/call-player.ts'
import { bytesOf, bytesOfVector, TraceError } from '../../src/lab/syscalls/strace.ts'
import type { TracedFile } from '../../src/lab/syscalls/traced-tree.ts'

/** Of a read that long only the beginning is looked at: a request's head. */
const HEAD_CHARACTERS = 4000
const SUPERBLOCK_BYTES = 512
const SUPERBLOCKS = [0, 4096]
const CHECKPOINT_OFFSET = 88

export class TracedRequests implements CallObserver {
  /** Requests that the server had read. */
  readonly begun = new Set<number>()
  readonly acknowledged = new Set<number>()
  /** Superblocks that named another checkpoint than the one before in the same file. */
  checkpoints = 0
  readonly #named = new Map<TracedFile, bigint>()
  /** Numbers of the requests under way, by the descriptors of their connections. */
  readonly #connections = new Map<number, number>()

  processBegins(): void {
    this.#connections.clear()
  }

  begins({ name, args }: Call): boolean {
    if (name !== 'write' && name !== 'writev') return false
    const descriptor = Number(args[0])
    const number = this.#connections.get(descriptor)
    if (number === undefined) return false
    const bytes = name === 'write' ? bytesOf(args[1]!) : bytesOfVector(args[1]!)
    const status = /^HTTP\/1\.1 (\d)\d\d /.exec(bytes.toString('latin1', 0, 32))?.[1]
    if (status === undefined) return false
    this.#connections.delete(descriptor)
    if (status !== '2') throw new TraceError(`request ${number} was refused: ${bytes.toString('latin1')}`)
    this.acknowledged.add(number)
    return true
  }

  returned({ name, args, result }: Call): void {
    if (name === 'close') this.#connections.delete(Number(args[0]))
    if (name !== 'read' || result === undefined || result <= 0 || !args[1]!.startsWith('"')) return
    const text = args[1]!
    const head = bytesOf(text.length > HEAD_CHARACTERS ? `${text.slice(0, HEAD_CHARACTERS + 1)}"` : text)
    const number = /^[A-Z]+ \S*[?&]number=(\d+)\S* HTTP\/1\.1\r\n/.exec(head.toString('latin1'))?.[1]
    if (number === undefined) return
    this.#connections.set(Number(args[0]), Number(number))
    this.begun.add(Number(number))
  }

  /** FORMAT.md, "Superblock": where it lies, and the position of the last checkpoint in it. */
  writes(file: TracedFile, bytes: Buffer, position: number): void {
    if (bytes.length !== SUPERBLOCK_BYTES || !SUPERBLOCKS.includes(position)) return
    const checkpoint = bytes.readBigUInt64LE(CHECKPOINT_OFFSET)
    if (checkpoint !== (this.#named.get(file) ?? 0n)) this.checkpoints += 1
    this.#named.set(file, checkpoint)
  }
}

/** Plays a server's calls on the folder `dataDir`, in which nothing is made anew, and no name is durable by itself. */
export function serverPlayer(dataDir: string, observer: TracedRequests): CallPlayer {
  return new CallPlayer({ folder: dataDir, rebuiltFiles: [], journalsNames: false, observer })
}
