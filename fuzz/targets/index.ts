/** The registry: a new target is one file beside this one and one line here. */
import type { Target } from '../target.ts'
import { btree } from './btree.ts'
import { canary } from './canary.ts'
import { channels } from './channels.ts'
import { compaction } from './compaction.ts'
import { corruption } from './corruption.ts'
import { crash } from './crash.ts'
import { credentials } from './credentials.ts'
import { database } from './database.ts'
import { gateway } from './gateway.ts'
import { httpBodies } from './http-bodies.ts'
import { json } from './json.ts'
import { kill } from './kill.ts'
import { mango } from './mango.ts'
import { misuse } from './misuse.ts'
import { multipart } from './multipart.ts'
import { readerThreads } from './reader-threads.ts'
import { readers } from './readers.ts'
import { replication } from './replication.ts'
import { scripting } from './scripting.ts'
import { stores } from './stores.ts'
import { syscalls } from './syscalls.ts'
import { threads } from './threads.ts'
import { views } from './views.ts'

export const TARGETS: readonly Target[] = [
  btree,
  crash,
  corruption,
  database,
  misuse,
  compaction,
  json,
  multipart,
  scripting,
  httpBodies,
  credentials,
  readers,
  readerThreads,
  kill,
  threads,
  replication,
  gateway,
  channels,
  stores,
  syscalls,
  views,
  mango,
]

/** Everything that can be asked for by name: the targets, and the canary, which must fail. */
export const BY_NAME: ReadonlyMap<string, Target> = new Map(
  [...TARGETS, canary].map((target) => [target.name, target]),
)
