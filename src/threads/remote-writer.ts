/** The writing side of a database whose writer is in the core. */
import type { RemoteWriter } from '../database/api/remote-writer.ts'
import type { Answered } from '../workers/channel.ts'
import type { Core } from './front-channel.ts'

const NO_BYTES = new Uint8Array(0)

function bytesOf({ bytes }: Answered<unknown>): Uint8Array {
  return bytes ?? NO_BYTES
}

export function remoteWriter(core: Core, handle: number): RemoteWriter {
  return {
    update: (edits, { allOrNothing, callers }) =>
      core
        .call(allOrNothing ? 'updateAllOrNothing' : 'update', handle, { bytes: edits, callers })
        .then(bytesOf),
    join: (run) => core.join(run),
    async updatePacked(edits) {
      const { bytes, lent } = await core.call('updatePacked', handle, { lent: edits })
      return { results: bytes ?? NO_BYTES, edits: lent! }
    },
    async appendStream(source) {
      const upload = await core.ask('beginUpload', { handle })
      try {
        for await (const bytes of source) await core.ask('continueUpload', { upload }, { bytes })
        return await core.ask('endUpload', { upload })
      } catch (error) {
        // A core that has gone has forgotten it.
        core.ask('abortUpload', { upload }).catch(() => undefined)
        throw error
      }
    },
    call: async (method, args) => (await core.ask('change', { handle, method, args })) as never,
  }
}
