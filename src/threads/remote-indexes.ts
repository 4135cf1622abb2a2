/** The core's service of indexes, as a front reaches it. */
import type { IndexService } from '../indexes/service.ts'
import type { Core } from './front-channel.ts'
import type { IndexMethod } from './protocol.ts'

export function remoteIndexes(core: Core): IndexService {
  const ask = (method: IndexMethod, ...args: readonly unknown[]) => core.ask('askIndexes', { method, args })
  // Nobody waits for the answer; where the core has gone there is nothing to do any more.
  const tell = (method: IndexMethod, ...args: readonly unknown[]): void =>
    void ask(method, ...args).catch(() => undefined)
  return {
    prepare: (index, untilSeq, { signal }) => core.ask('prepareIndex', { index, untilSeq }, { signal }),
    buildLater: (index) => tell('buildLater', index),
    damaged: (index) => tell('damaged', index),
    info: (index) => ask('info', index) as ReturnType<IndexService['info']>,
    compact: async (index) => void (await ask('compact', index)),
    cleanUp: async (database, uuid, signatures) => void (await ask('cleanUp', database, uuid, signatures)),
  }
}
