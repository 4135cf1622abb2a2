/**
 * What the core does for one front, and what it keeps for it: leases, watches, uploads. All of it is given back when
 * the front ends, however that happens.
 */
import type { MessagePort } from 'node:worker_threads'
import type { Caller } from '../auth/hash-queue.ts'
import { DatabaseError } from '../base/errors.ts'
import type { ThreadFigures, ThreadLook } from '../base/thread-figures.ts'
import { watchYoungGeneration } from '../base/young-generation.ts'
import type { OwnedDatabase } from '../database/api/database.ts'
import type { PackedAnswer, RemoteCalls } from '../database/api/remote-writer.ts'
import { StoredDatabase } from '../database/database.ts'
import { DatabaseService } from '../database/shared/database-service.ts'
import type { Server } from '../server/server.ts'
import { Channel, type Handlers, WithBytes } from '../workers/channel.ts'
import type { CoreVocabulary, FrontVocabulary } from './front-channel.ts'
import type { CoreCalls } from './protocol.ts'
import { Uploads } from './uploads.ts'

interface Held {
  readonly service: DatabaseService
  /** Gives the database back. */
  readonly release: () => void
}

export interface FrontServiceOptions {
  server: Server
  port: MessagePort
  onListening: () => void
  /** It hears what it is told from its start on. Default: when it has asked for what it needs to take requests. */
  isAttending?: boolean | undefined
}

export class FrontService {
  readonly #server: Server
  readonly #channel: Channel<CoreVocabulary, FrontVocabulary>
  readonly #held = new Map<number, Held>()
  readonly #watches = new Map<string, () => void>()
  readonly #uploads = new Uploads()
  #lastHandle = 0
  #unwatchEvents: (() => void) | undefined
  #ended = false
  /** It has asked for what it needs to take requests: what was told before is ahead of the answer. */
  #isAttending: boolean

  constructor(options: FrontServiceOptions) {
    const { server, port, onListening } = options
    this.#server = server
    this.#isAttending = options.isAttending ?? false
    this.#channel = new Channel({
      port,
      handlers: this.#handlers(),
      listeners: {
        log: ({ lines }) => server.log.append(lines),
        listening: () => onListening(),
        release: ({ handle }) => this.#release(handle),
        unwatch: ({ name }) => this.#unwatch(name),
      },
    })
  }

  get channel(): Pick<Channel<CoreVocabulary, FrontVocabulary>, 'tell'> {
    return this.#channel
  }

  /** Resolves when the front has taken what it was told, or has gone; at once while it is far from taking requests. */
  async hasHeard(): Promise<void> {
    if (this.#isAttending) await this.#channel.ask('hasHeard', undefined).catch(() => undefined)
  }

  /** What the front says of itself; undefined while it is far from taking requests. Rejects when it has gone. */
  async measure(): Promise<ThreadFigures | undefined> {
    return this.#isAttending ? this.#channel.ask('measure', undefined) : undefined
  }

  /** The same for who looks on. */
  async look(): Promise<ThreadLook | undefined> {
    return this.#isAttending ? this.#channel.ask('look', undefined) : undefined
  }

  /** The front has gone. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#channel.end(new DatabaseError('shuttingDown'))
    this.#uploads.end()
    for (const unwatch of this.#watches.values()) unwatch()
    this.#watches.clear()
    this.#unwatchEvents?.()
    for (const handle of [...this.#held.keys()]) this.#release(handle)
  }

  #handlers(): Handlers<CoreCalls> {
    const server = this.#server
    const { databases, events, tasks, compactions } = server
    return {
      open: ({ name, kind }) => this.#open(name, kind),
      lookIntoChannels: ({ name, user }, { signal }) => server.channels.look(name, user, signal),
      openEvents: () => this.#openEvents(),
      update: (handle, request) =>
        this.#service(handle)
          .update(request.bytes, { allOrNothing: false }, (results) => request.answer(withBytes(results)))
          .then(withBytes),
      updateAllOrNothing: (handle, { bytes }) =>
        this.#service(handle).update(bytes, { allOrNothing: true }).then(withBytes),
      updatePacked: (handle, request) =>
        this.#service(handle)
          .updatePacked(request.lent!, (answered) => request.answer(withEdits(answered)))
          .then(withEdits),
      change: ({ handle, method, args }) =>
        this.#service(handle).call(method as keyof RemoteCalls, args as never),
      beginUpload: ({ handle }) => {
        const service = this.#service(handle)
        return this.#uploads.begin((source) => service.appendStream(source))
      },
      continueUpload: ({ upload }, { bytes }) => this.#uploads.take(upload, bytes),
      endUpload: ({ upload }) => this.#uploads.finish(upload),
      abortUpload: ({ upload }) => this.#uploads.abort(upload),
      create: async ({ name, options }) => void (await databases.create(name, options)),
      delete: async ({ name }) => void (await databases.delete(name)),
      list: ({ range }) => databases.list(range),
      has: ({ name }) => databases.has(name),
      watch: ({ name }) => this.#watch(name),
      flushEvents: async () => void (await events.flush()),
      tasks: ({ history }) => (history ? tasks.history() : tasks.list()),
      cancelTask: ({ pid }) => tasks.cancel(pid),
      compact: async ({ name }) => void (await compactions.start(name)),
      replicate: ({ body, user }, { signal }) => server.replications.request(body, user, signal),
      configure: ({ method, args }) => callOn(server.configuration, method, args),
      askNode: ({ method, args }) => callOn(server.node, method, args),
      look: ({ since }) => server.dashboard.look(since),
      askReplicator: ({ method, args }) => callOn(server.replicator, method, args),
      reshard: ({ method, args }) => callOn(server.resharding, method, args),
      prepareIndex: ({ index, untilSeq }, { signal }) => server.indexing.prepare(index, untilSeq, { signal }),
      askIndexes: ({ method, args }) => callOn(server.indexing, method, args),
      hashPassword: ({ password, salt, iterations, address }, { signal }) => {
        const caller = callerOf(address, signal)
        return salt === undefined
          ? server.hasher.hash(password, iterations, server.random, caller)
          : server.hasher.rehash(password, salt, iterations, caller)
      },
      requireUnlocked: async (key) => void (await server.lockOuts.require(key)),
      passwordFailed: async (key) => void (await server.lockOuts.failed(key)),
      verifyPassword: ({ password, hash, address }, { signal }) =>
        server.verifiedPasswords.verify(password, hash, callerOf(address, signal)),
    }
  }

  async #open(name: string, kind: CoreCalls['open']['args']['kind']): Promise<CoreCalls['open']['result']> {
    const { databases, channels } = this.#server
    const lease = await (kind === 'documents' ? databases : channels).lease(name)
    if (this.#ended) {
      lease.release()
      throw new DatabaseError('shuttingDown')
    }
    const { signal } = lease
    const database = sharable(lease.database)
    const handle = this.#hold(database, () => {
      signal.removeEventListener('abort', retire)
      lease.release()
    })
    const retire = (): void => {
      const kind = (signal.reason as DatabaseError).kind === 'noDatabase' ? 'noDatabase' : 'shuttingDown'
      this.#channel.tell('retire', { handle, kind })
    }
    if (signal.aborted) retire()
    else signal.addEventListener('abort', retire, { once: true })
    const shards = kind === 'documents' ? databases.shardsOf(name) : undefined
    return { handle, shared: database.share(), shards }
  }

  #openEvents(): CoreCalls['open']['result'] {
    const database = sharable(this.#server.events.database)
    this.#isAttending = true
    this.#unwatchEvents ??= database.onChange(() => this.#channel.tell('eventsChanged', undefined))
    const handle = this.#hold(database, () => {})
    return { handle, shared: database.share(), shards: undefined }
  }

  #hold(database: StoredDatabase, release: () => void): number {
    this.#lastHandle += 1
    this.#held.set(this.#lastHandle, { service: new DatabaseService(database), release })
    return this.#lastHandle
  }

  /** Throws databaseClosed. */
  #service(handle: number): DatabaseService {
    watchYoungGeneration()
    const held = this.#held.get(handle)
    if (held === undefined) throw new DatabaseError('databaseClosed')
    return held.service
  }

  #release(handle: number): void {
    const held = this.#held.get(handle)
    this.#held.delete(handle)
    held?.release()
  }

  #watch(name: string): undefined {
    if (this.#watches.has(name)) return
    const unwatch = this.#server.databases.watch(name, {
      changed: () => this.#channel.tell('changed', { name }),
      deleted: () => {
        this.#watches.delete(name)
        this.#channel.tell('deleted', { name })
      },
    })
    this.#watches.set(name, unwatch)
  }

  #unwatch(name: string): void {
    this.#watches.get(name)?.()
    this.#watches.delete(name)
  }
}

function callerOf(address: string, signal: AbortSignal): Caller {
  return {
    address,
    onGone(listener) {
      if (signal.aborted) listener()
      else signal.addEventListener('abort', listener, { once: true })
      return () => signal.removeEventListener('abort', listener)
    },
  }
}

function withEdits({ results, edits }: PackedAnswer): WithBytes {
  return new WithBytes(results, edits)
}

function withBytes(bytes: Uint8Array): WithBytes {
  return new WithBytes(bytes)
}

function callOn<T extends object>(target: T, method: keyof T, args: readonly unknown[]): unknown {
  const call = target[method] as (...args: readonly unknown[]) => unknown
  return call.apply(target, [...args])
}

/** Stand-ins of tests are not for other threads. */
function sharable(database: OwnedDatabase): StoredDatabase {
  if (database instanceof StoredDatabase) return database
  throw new TypeError('only a stored database can be read by other threads')
}
