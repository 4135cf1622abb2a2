import { DatabaseError } from '../../../base/errors.ts'
import type { Steps } from '../../../base/time-slice.ts'
import type { MissingRevisions } from '../../../database/api/database.ts'
import type { Revision } from '../../../database/revisions/revision-id.ts'
import { revisionSteps } from '../../../documents/revision.ts'
import { stringsSteps, stringText } from '../../../json/writer.ts'
import { type Answer, jsonText } from '../../answer/answer.ts'
import type { Exchange } from '../../request/exchange.ts'
import type { Resource } from '../resource.ts'

/** Of one document. */
const MOST_REVISIONS = 65_536

type Wanted = readonly (readonly [id: string, revisions: readonly Revision[]])[]

function* wantedSteps(object: Record<string, unknown>): Steps<Wanted> {
  const wanted: [string, Revision[]][] = []
  for (const id in object) {
    const revs = object[id]
    if (!Array.isArray(revs)) throw new DatabaseError('badRequest', 'Invalid list of revisions')
    if (revs.length > MOST_REVISIONS) throw new DatabaseError('requestTooLarge')
    wanted.push([id, yield* revisionSteps(revs)])
    yield
  }
  return wanted
}

/** The members of the answer, one for each id of which a revision is missing. */
function* missingSteps(
  exchange: Exchange,
  object: Record<string, unknown>,
  textSteps: (missing: MissingRevisions) => Steps<string>,
): Steps<string> {
  // All are read before the first is looked up.
  const wanted = yield* wantedSteps(object)
  const members: string[] = []
  for (const [id, revisions] of wanted) {
    const answer = yield* exchange.database.missingRevs(id, revisions)
    if (answer.missing.length > 0) members.push(`${stringText(id)}:${yield* textSteps(answer)}`)
    yield
  }
  return `{${members.join(',')}}`
}

function* diffSteps({ missing, possibleAncestors }: MissingRevisions): Steps<string> {
  const text = yield* stringsSteps(missing)
  if (possibleAncestors.length === 0) return `{"missing":${text}}`
  return `{"missing":${text},"possible_ancestors":${yield* stringsSteps(possibleAncestors)}}`
}

async function revsDiff(exchange: Exchange): Promise<Answer> {
  await exchange.jsonTypedBody()
  const object = await exchange.json.object()
  return jsonText(200, `${await exchange.inTurns(missingSteps(exchange, object, diffSteps))}\n`)
}

async function missingRevs(exchange: Exchange): Promise<Answer> {
  await exchange.jsonTypedBody()
  const object = await exchange.json.object()
  const textSteps = ({ missing }: MissingRevisions): Steps<string> => stringsSteps(missing)
  const text = await exchange.inTurns(missingSteps(exchange, object, textSteps))
  return jsonText(200, `{"missing_revs":${text}}\n`)
}

/** `_revs_diff` and `_missing_revs`: what a replicator asks before it sends. */
export const revisionsResources: Resource[] = [
  {
    route: 'db/_revs_diff',
    endpoint: 'alone',
    body: 'lookup',
    allow: 'POST',
    methods: { POST: revsDiff },
  },
  {
    route: 'db/_missing_revs',
    endpoint: 'alone',
    body: 'lookup',
    allow: 'POST',
    methods: { POST: missingRevs },
  },
]
