/** The registry: a new target is one file beside this one and one line here. */
import type { Target } from '../target.ts'
import { btree } from './btree.ts'
import { canary } from './canary.ts'
import { compaction } from './compaction.ts'
import { corruption } from './corruption.ts'
import { crash } from './crash.ts'
import { database } from './database.ts'
import { httpBodies } from './http-bodies.ts'
import { json } from './json.ts'
import { multipart } from './multipart.ts'

export const TARGETS: readonly Target[] = [
  btree,
  crash,
  corruption,
  database,
  compaction,
  json,
  multipart,
  httpBodies,
]

/** Everything that can be asked for by name: the targets, and the canary, which must fail. */
export const BY_NAME: ReadonlyMap<string, Target> = new Map(
  [...TARGETS, canary].map((target) => [target.name, target]),
)
