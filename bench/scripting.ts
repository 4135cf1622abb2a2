/**
 * Design functions: what a server makes of them, and the sandbox alone.
 *
 * `put`: PUT of new documents of 1 KB over 64 connections, durable, in a database without validation and in one whose design
 * document has a `validate_doc_update` that lets everything pass. `changes`: `_changes` of a database, as it is, through a
 * view's map and through a filter function that lets every second document pass; documents are those that were looked at. The
 * workloads of a group, and the servers, take turns, and a ratio is the median of the rounds': a machine that gets slower is
 * unfair to none. CPU is that of the server's whole process (not of peers). `room` is the sandbox without a server.
 */
import { parseArgs } from 'node:util'
import type { SandboxKind } from '../src/scripting/scripting.ts'
import { chosenTool } from './http/load.ts'
import { peerTarget, threadCounts } from './http/target.ts'
import { measureRoom } from './scripting/room.ts'
import { measureServers } from './scripting/servers.ts'
import { GROUPS } from './scripting/workloads.ts'
import type { Benchmark } from './tools.ts'

const ROOM = 'room'
const NAMES = [...Object.keys(GROUPS), ROOM]

export const scripting: Benchmark = {
  summary: 'design functions: writes that are validated, filtered changes, and the sandbox alone',
  flags:
    '[--rounds 3] [--seconds 4] [--only put|changes|room ...] [--threads 0,auto] [--sandbox quickjs|v8] [--peer NAME=http://user:pass@host:port ...] [--room-threads 1] [--callers 64] [--wrk | --autocannon] [--profile] [--folder PATH]',
  async run(args, print) {
    const { values } = parseArgs({
      args,
      options: {
        rounds: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '4' },
        only: { type: 'string', multiple: true, default: NAMES },
        threads: { type: 'string', default: '0,auto' },
        sandbox: { type: 'string', default: 'quickjs' },
        peer: { type: 'string', multiple: true, default: [] },
        'room-threads': { type: 'string', default: '1' },
        callers: { type: 'string', default: '64' },
        wrk: { type: 'boolean', default: false },
        autocannon: { type: 'boolean', default: false },
        profile: { type: 'boolean', default: false },
        folder: { type: 'string' },
      },
    })
    for (const name of values.only) {
      if (!NAMES.includes(name)) throw new RangeError(`there is no ${name}; there are ${NAMES.join(', ')}`)
    }
    const sandbox = sandboxOf(values.sandbox)
    const seconds = Number(values.seconds)
    const groups = Object.keys(GROUPS).filter((name) => values.only.includes(name))
    if (groups.length > 0) {
      const { load } = chosenTool(values.wrk, values.autocannon)
      const plan = {
        groups,
        threads: threadCounts(values.threads),
        sandbox,
        peers: values.peer.map(peerTarget),
        load,
        rounds: Number(values.rounds),
        seconds,
        profile: values.profile,
        folder: values.folder,
      }
      await measureServers(plan, print)
    }
    if (!values.only.includes(ROOM)) return
    await measureRoom(
      { seconds, threads: Number(values['room-threads']), callers: Number(values.callers), sandbox },
      print,
    )
  },
}

/** Throws RangeError. */
function sandboxOf(name: string): SandboxKind {
  if (name !== 'quickjs' && name !== 'v8') throw new RangeError('--sandbox is quickjs or v8')
  return name
}
