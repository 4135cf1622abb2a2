import { DatabaseError } from '../../base/errors.ts'
import { stringsText, stringText } from '../../base/json/writer.ts'
import { type Answer, jsonText } from '../answer.ts'
import type { Exchange } from '../exchange.ts'
import type { Resource } from '../resource.ts'
import { readRevisions } from '../revision.ts'

/** `_revs_diff` and `_missing_revs`: what a replicator asks before it sends. */
interface Missing {
  id: string
  missing: string[]
  possibleAncestors: string[]
}

/** The ids of which a revision is missing. All are read before the first is looked up. */
async function findMissing(exchange: Exchange): Promise<Missing[]> {
  await exchange.jsonTypedBody()
  const wanted = Object.entries(await exchange.jsonObject()).map(([id, revs]) => {
    if (!Array.isArray(revs)) throw new DatabaseError('badRequest', 'Invalid list of revisions')
    return [id, readRevisions(revs)] as const
  })
  const found: Missing[] = []
  for (const [id, revs] of wanted) {
    const answer = exchange.database.missingRevs(id, revs)
    if (answer.missing.length > 0) found.push({ id, ...answer })
  }
  return found
}

async function revsDiff(exchange: Exchange): Promise<Answer> {
  const members = (await findMissing(exchange)).map(({ id, missing, possibleAncestors }) => {
    const ancestors =
      possibleAncestors.length === 0 ? '' : `,"possible_ancestors":${stringsText(possibleAncestors)}`
    return `${stringText(id)}:{"missing":${stringsText(missing)}${ancestors}}`
  })
  return jsonText(200, `{${members.join(',')}}\n`)
}

async function missingRevs(exchange: Exchange): Promise<Answer> {
  const members = (await findMissing(exchange)).map(
    ({ id, missing }) => `${stringText(id)}:${stringsText(missing)}`,
  )
  return jsonText(200, `{"missing_revs":{${members.join(',')}}}\n`)
}

export const revisionsResources: Resource[] = [
  { route: 'db/_revs_diff', access: 'member', body: 'lookup', allow: 'POST', methods: { POST: revsDiff } },
  {
    route: 'db/_missing_revs',
    access: 'member',
    body: 'lookup',
    allow: 'POST',
    methods: { POST: missingRevs },
  },
]
