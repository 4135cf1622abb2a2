/** The thread that writes indexes: does what the core asks of it, until it is told to stop. */
import type { MessagePort } from 'node:worker_threads'
import { PageCache } from '../../native-free-btree/index.ts'
import { systemClock } from '../base/clock.ts'
import { leveledLog } from '../base/log.ts'
import { systemRandom } from '../base/random.ts'
import { restOften } from '../base/rest.ts'
import { SettingsRegistry } from '../config/registry.ts'
import type { Settings } from '../config/settings.ts'
import type { RemoteWriter } from '../database/api/remote-writer.ts'
import { databaseErrorOf } from '../database/errors/layer-errors.ts'
import { openFollowed } from '../database/shared/open-followed.ts'
import { scriptingOf } from '../design/scripting-of.ts'
import { Channel } from '../workers/channel.ts'
import { giveWayToOthers } from '../workers/give-way.ts'
import { IndexWriter } from './index-writer.ts'
import type { CoreVocabulary, IndexVocabulary } from './protocol.ts'

export interface IndexThreadStart {
  readonly port: MessagePort
  readonly settings: Settings
}

/** Whoever derives something of a database writes nothing to it. */
const NO_WRITER: RemoteWriter = {
  update: () => refuse(),
  updatePacked: () => refuse(),
  appendStream: () => refuse(),
  call: () => refuse(),
  join: (run) => run?.(),
}

function refuse(): Promise<never> {
  return Promise.reject(new Error('a database is only read here'))
}

async function told<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw databaseErrorOf(error)
  }
}

export function runIndexThread({ port, settings: given }: IndexThreadStart): void {
  giveWayToOthers()
  restOften({ stepBack: true })
  const cache = new PageCache(given.indexCacheBytes)
  const log = leveledLog(given.logLevel, (level, message, fields) =>
    channel.tell('log', { level, message, fields }),
  )
  const settings = new SettingsRegistry(given, log)
  settings.subscribe('logLevel', (level) => log.setLevel(level))
  const clock = systemClock
  const scripting = scriptingOf(settings, { clock, log, threads: 0, restsOften: true })
  const writer = new IndexWriter({
    cache,
    scripting,
    clock,
    random: systemRandom,
    log,
    mostFiles: given.mostOpenIndexes,
    mostDatabases: given.mostIndexBuilds,
    follow: (shared) => openFollowed(shared, NO_WRITER, { cache, clock }),
    settings,
    onProgress: (path, progress) => channel.tell('building', { path, progress }),
    onCompaction: (path, progress) => channel.tell('compacting', { path, progress }),
  })
  const channel: Channel<IndexVocabulary, CoreVocabulary> = new Channel({
    port,
    handlers: {
      open: (place) => told(writer.open(place)),
      build: (place) => told(writer.build(place)),
      sizes: (place) => told(writer.sizes(place)),
      compact: async (place) => void (await told(writer.compact(place))),
      remove: async ({ paths }) => void (await told(writer.remove(paths))),
      discard: async ({ path }) => void (await told(writer.discard(path))),
      stop: async () => {
        await writer.close()
        await scripting.close()
        // The answer goes out first.
        setImmediate(() => setImmediate(() => channel.end(new Error('the thread has stopped'))))
        return undefined
      },
    },
    listeners: {
      cancel: ({ path, what }) => writer.cancel(path, what),
      setting: ({ name, value }) => settings.put(name, value as never),
    },
  })
}
