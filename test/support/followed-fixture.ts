/** Databases that follow another one, in the thread of the test: all that passes between the two is cloned on its way. */
import { join } from 'node:path'
import type { Test } from 'tap'
import type {
  PackedAnswer,
  RemoteCalls,
  RemoteContent,
  RemoteWriter,
  WriteOptions,
} from '../../src/database/api/remote-writer.ts'
import type { StoredDatabase } from '../../src/database/database.ts'
import { createDatabase } from '../../src/database/open.ts'
import { DatabaseService } from '../../src/database/shared/database-service.ts'
import { errorOf, failureOf } from '../../src/database/shared/failure.ts'
import type { FollowedDatabase } from '../../src/database/shared/followed-database.ts'
import { type FollowOptions, openFollowed } from '../../src/database/shared/open-followed.ts'
import './poisoned-pages.ts'

/** What the other thread answers or rejects with, cloned. */
async function across<T>(work: Promise<T>): Promise<T> {
  try {
    return structuredClone(await work)
  } catch (error) {
    throw errorOf(structuredClone(failureOf(error)))
  }
}

async function* clonesOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) yield structuredClone(chunk)
}

/** What the other thread answers: by a call as the threads' channel takes it, or by what `run` resolves with. */
function answered<T>(run: (answer: (early: T) => void) => Promise<T>, carried: (early: T) => T): Promise<T> {
  return new Promise((resolve, reject) => {
    across(run((early) => resolve(carried(early)))).then(resolve, reject)
  })
}

/** Counts what passes. */
export class Loopback implements RemoteWriter {
  readonly #service: DatabaseService
  updates = 0
  appended = 0
  /** Updates that were answered before the writer's thread showed them. */
  early = 0
  /** Runs with each of those answers. */
  onEarly: () => void = () => {}
  /** Runs before each update is handed over. */
  beforeUpdate: () => Promise<void> | void = () => {}

  constructor(service: DatabaseService) {
    this.#service = service
  }

  async update(edits: Uint8Array, options: WriteOptions): Promise<Uint8Array> {
    this.updates += 1
    const [bytes, wanted] = structuredClone([edits, options] as const)
    const waiting = this.beforeUpdate()
    if (waiting !== undefined) await waiting
    return answered<Uint8Array>(
      (answer) => this.#service.update(bytes, wanted, answer),
      (results) => {
        this.early += 1
        const given = structuredClone(results)
        this.onEarly()
        return given
      },
    )
  }

  async updatePacked(edits: Uint8Array<ArrayBuffer>): Promise<PackedAnswer> {
    this.updates += 1
    const bytes = structuredClone(edits, { transfer: [edits.buffer] })
    const waiting = this.beforeUpdate()
    if (waiting !== undefined) await waiting
    return answered<PackedAnswer>(
      (answer) => this.#service.updatePacked(bytes, answer),
      ({ results, edits }) => {
        this.early += 1
        const given = {
          results: structuredClone(results),
          edits: structuredClone(edits, { transfer: [edits.buffer] }),
        }
        this.onEarly()
        return given
      },
    )
  }

  join(run: (() => void) | undefined): void {
    if (run !== undefined) process.nextTick(run)
  }

  appendStream(source: AsyncIterable<Uint8Array>): Promise<RemoteContent> {
    this.appended += 1
    return across(this.#service.appendStream(clonesOf(source)))
  }

  call<Name extends keyof RemoteCalls>(
    method: Name,
    args: Parameters<RemoteCalls[Name]>,
  ): Promise<Awaited<ReturnType<RemoteCalls[Name]>>> {
    return across(this.#service.call(method, structuredClone(args)))
  }
}

export interface Front {
  database: FollowedDatabase
  writer: Loopback
}

export interface SharedFixture {
  core: StoredDatabase
  /** Opens one more database that follows. */
  follow(options?: FollowOptions): Promise<Front>
}

/** The core's database, in a folder of the test, closed at its end with those that follow. */
export async function sharedDatabase(
  t: Pick<Test, 'testdir' | 'teardown'>,
  options: Parameters<typeof createDatabase>[2] = {},
  folder = t.testdir({}),
): Promise<SharedFixture> {
  const core = await createDatabase(join(folder, 'a.nfb'), 'a', options)
  const fixture = fixtureOf(core)
  t.teardown(() => fixture.close())
  return fixture
}

/** Databases that follow this one. */
export function fixtureOf(core: StoredDatabase): SharedFixture & { close(): Promise<void> } {
  const fronts: Front[] = []
  return {
    core,
    async follow(options = {}) {
      const writer = new Loopback(new DatabaseService(core))
      const database = await openFollowed(structuredClone(core.share()), writer, options)
      core.onChange(() => database.changed())
      fronts.push({ database, writer })
      return { database, writer }
    },
    async close() {
      for (const { database } of fronts) await database.close()
      await core.close()
    },
  }
}
