/**
 * The fronts of a server: threads that take its requests. What holds:
 * - All of them listen on the same sockets. One that ends is replaced, and its connections alone are cut.
 * - What the settings bound for the server is divided among them.
 * - Fronts that end again and again, as soon as they begin, are started less and less often.
 */
import { availableParallelism } from 'node:os'
import { MessageChannel, Worker } from 'node:worker_threads'
import { connectionCounts, connectionsOf, forgetConnections } from '../base/connection-shares.ts'
import { describeError } from '../base/log.ts'
import { Metrics } from '../base/metrics.ts'
import { keepYoungGenerationSmall } from '../base/young-generation.ts'
import { listenAddresses } from '../config/listen-addresses.ts'
import { defaultConnections, type HttpLimits } from '../http/request/options.ts'
import type { Server } from '../server/server.ts'
import type { FrontSocket, FrontStart } from './front.ts'
import { FrontService } from './front-service.ts'
import { ListeningSocket } from './listening-socket.ts'
import { ThreadRunner } from './thread-runner.ts'

const PROGRAM = new URL('./front-thread.js', import.meta.url)
/** Of its three parts, of which two hold objects: with less, what answers of some 20 KB are made of is collected every thirty of them. */
const YOUNG_GENERATION_MB = 9
/** After a front that ended within `EARLY_MS` of its start the next one waits, twice as long each time. */
const EARLY_MS = 10_000
const LEAST_DELAY_MS = 100
const MOST_DELAY_MS = 10_000
/** A front that was told to stop and has not ended so long after its grace is ended. */
const STOP_MARGIN_MS = 5000

export interface FrontsOptions {
  server: Server
  count: number
  version: string
  /** Of each front. */
  cacheBytes: number
  /** What the settings do not say; bounds of each front. */
  limits?: Partial<HttpLimits> | undefined
  /** The module that a thread runs; a front's unless a test gives another. */
  program?: URL | undefined
}

interface Running {
  readonly worker: Worker
  readonly service: FrontService
  readonly place: number
  readonly exited: Promise<void>
}

export class Fronts {
  readonly #options: FrontsOptions
  /** The first is one of a port without TLS. */
  readonly #sockets: readonly ListeningSocket[]
  readonly #running = new Set<Running>()
  /** Memory of `ConnectionShare`, with a place for each front. */
  readonly #connections: Int32Array
  readonly #unsubscribe: readonly (() => void)[]
  readonly #cancelRestarts = new Set<() => void>()
  #delayMs = 0
  #stopped: Promise<void> | undefined

  private constructor(options: FrontsOptions, sockets: readonly ListeningSocket[]) {
    this.#options = options
    this.#sockets = sockets
    this.#connections = connectionCounts(options.count)
    const { settings, administrators, databases, bus, audience, certificates } = options.server
    this.#unsubscribe = [
      settings.onAny((name) => this.#tell('setting', { name, value: settings.get(name) })),
      administrators.onChange((credentials) => this.#tell('administrators', { credentials })),
      databases.onFull(() => this.#tell('makeRoom', undefined)),
      bus.on('compacted', (name) => this.#tell('compacted', { name })),
      ...(certificates === undefined
        ? []
        : [certificates.onChange((material) => this.#tell('certificate', { material }))]),
      audience.join(() => this.#haveHeard()),
    ]
  }

  /** Resolves when all take requests. Rejects as `listen` does, and with what kept a front from its start. */
  static async start(options: FrontsOptions): Promise<Fronts> {
    const { settings } = options.server
    const { count: ready } = options
    keepYoungGenerationSmall()
    const backlog = settings.get('backlog')
    const sockets = await ListeningSocket.openAll(listenAddresses(settings), { ready, backlog })
    const fronts = new Fronts(options, sockets)
    options.server.replications.runIn(new ThreadRunner(options.server, options.version))
    let descriptors: FrontSocket[][] = []
    try {
      descriptors = await fronts.#descriptors(ready)
      await Promise.all(descriptors.map((each) => fronts.#startOne(each)))
      return fronts
    } catch (error) {
      await fronts.stop(0)
      for (const each of descriptors) fronts.#giveBack(each)
      throw error
    }
  }

  /** `http://host:port`, without a slash. */
  get url(): string {
    return this.#sockets[0]!.url
  }

  get port(): number {
    return this.#sockets[0]!.port!
  }

  get urls(): readonly string[] {
    return this.#sockets.map(({ url }) => url)
  }

  /** The threads, for tests and figures. */
  get workers(): readonly Worker[] {
    return [...this.#running].map(({ worker }) => worker)
  }

  /** How many each of the fronts has, -1 for one that takes none; for tests. */
  get connections(): number[] {
    return connectionsOf(this.#connections)
  }

  #tell: FrontService['channel']['tell'] = (name, value) => {
    for (const { service } of this.#running) service.channel.tell(name, value)
  }

  /** Resolves when every front that takes requests has taken what it was told, or has ended. */
  async #haveHeard(): Promise<void> {
    await Promise.all([...this.#running].map(({ service }) => service.hasHeard()))
  }

  /** For each of `count` fronts a descriptor of every socket, which it closes once it listens on it. */
  async #descriptors(count: number): Promise<FrontSocket[][]> {
    const all = await Promise.all(this.#sockets.map((socket) => socket.descriptors(count)))
    return Array.from({ length: count }, (_, at) =>
      all.map((descriptors, of) => ({
        fd: descriptors[at]!,
        taken: new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)),
        isSecure: this.#sockets[of]!.isSecure,
      })),
    )
  }

  /** Resolves when it takes requests; rejects when it ends before. Throws where the system has no thread for it. */
  #startOne(sockets: readonly FrontSocket[]): Promise<void> {
    const { server, program = PROGRAM } = this.#options
    const { port1, port2 } = new MessageChannel()
    const metrics = new Metrics()
    const place = this.#freePlace()
    const start: FrontStart = {
      port: port2,
      sockets,
      connections: this.#connections,
      place,
      metrics: metrics.buffer,
      ...this.#share(),
    }
    const worker = new Worker(program, {
      workerData: start,
      transferList: [port2],
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    })
    const startedMs = server.clock.monotonic()
    return new Promise((resolve, reject) => {
      let failure: unknown = new Error('a thread ended before it took requests')
      const service = new FrontService({ server, port: port1, onListening: () => resolve() })
      worker.on('error', (error) => {
        failure = error
        server.log.error('a thread failed', { reason: describeError(error) })
      })
      const leave = server.node.join({
        metrics,
        measure: () => service.measure(),
        look: () => service.look(),
      })
      const exited = new Promise<void>((exit) => {
        worker.once('exit', () => {
          this.#running.delete(running)
          forgetConnections(this.#connections, place)
          leave()
          service.end()
          this.#giveBack(sockets)
          reject(failure)
          if (this.#stopped === undefined) this.#replace(server.clock.monotonic() - startedMs)
          exit()
        })
      })
      const running = { worker, service, place, exited }
      this.#running.add(running)
    })
  }

  /** There are never more fronts than places: one is replaced when it has ended. */
  #freePlace(): number {
    const taken = new Set([...this.#running].map(({ place }) => place))
    return Array.from({ length: this.#options.count }, (_, at) => at).find((at) => !taken.has(at))!
  }

  #replace(lifeMs: number): void {
    const { clock, log } = this.#options.server
    this.#delayMs =
      lifeMs < EARLY_MS ? Math.min(MOST_DELAY_MS, Math.max(LEAST_DELAY_MS, this.#delayMs * 2)) : 0
    log.warning('a thread is replaced', { afterMs: this.#delayMs })
    const cancel = clock.after(this.#delayMs, () => {
      this.#cancelRestarts.delete(cancel)
      void this.#startAnother()
    })
    this.#cancelRestarts.add(cancel)
  }

  /** Never rejects. One that ends is replaced like any other; where none could be made, it is tried again. */
  async #startAnother(): Promise<void> {
    let sockets: FrontSocket[] | undefined
    let started: Promise<void>
    try {
      sockets = (await this.#descriptors(1))[0]!
      if (this.#stopped !== undefined) {
        this.#giveBack(sockets)
        return
      }
      started = this.#startOne(sockets)
    } catch (error) {
      this.#noteNotStarted(error)
      if (sockets !== undefined) this.#giveBack(sockets)
      if (this.#stopped === undefined) this.#replace(0)
      return
    }
    await started.catch((error: unknown) => this.#noteNotStarted(error))
  }

  #noteNotStarted(error: unknown): void {
    this.#options.server.log.error('a thread could not be started', { reason: describeError(error) })
  }

  /** Of a front that was not made, or has ended: a socket that one thread forgets is listened on for ever. */
  #giveBack(sockets: readonly FrontSocket[]): void {
    for (const [at, { fd, taken }] of sockets.entries()) {
      const isTaken = Atomics.load(taken, 0) === 1
      if (isTaken) this.#sockets[at]!.forget(fd)
      else this.#sockets[at]!.giveBack(fd)
    }
  }

  #share(): Omit<FrontStart, 'port' | 'sockets' | 'connections' | 'place' | 'metrics'> {
    const { server, count, version, cacheBytes, limits = {} } = this.#options
    const { settings } = server
    const connections = settings.get('maxConnections') || defaultConnections()
    const part = (whole: number): number => Math.max(1, Math.floor(whole / count))
    return {
      settings: settings.values(),
      share: {
        cacheBytes,
        maxOpen: part(settings.get('maxOpenDatabases')),
        bodyMemoryBytes: part(settings.get('bodyMemoryBytes')),
        maxConnections: part(connections),
        scriptThreads: part(availableParallelism()),
        maxHandshakes: part(settings.get('sslMaxHandshakes')),
      },
      limits,
      certificate: server.certificates?.material,
      administrators: server.administrators.list(),
      sessionSecrets: server.sessionSecrets.share(),
      lockOutSlots: server.lockOuts.slots.buffer,
      uuid: server.uuid,
      uniqueTime: server.uniqueTime.buffer,
      version,
    }
  }

  /** Takes no new connections, lets running requests finish for `graceMs`. Resolves when all threads have ended. */
  stop(graceMs: number): Promise<void> {
    this.#stopped ??= this.#stop(graceMs)
    return this.#stopped
  }

  async #stop(graceMs: number): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    for (const cancel of this.#cancelRestarts) cancel()
    this.#tell('stop', { graceMs })
    const { clock } = this.#options.server
    await Promise.all(
      [...this.#running].map(async ({ worker, exited }) => {
        const cancel = clock.after(graceMs + STOP_MARGIN_MS, () => void worker.terminate())
        await exited
        cancel()
      }),
    )
    await Promise.all(this.#sockets.map((socket) => socket.close()))
  }
}
