import { DEFAULT_SECURITY_TEXT, readSecurity, requireChannelMembers } from '../../../auth/security.ts'
import { DatabaseError } from '../../../base/errors.ts'
import { readChannelSettings } from '../../../channels/channel-settings.ts'
import { isUsersDatabase } from '../../../users/users-database.ts'
import { type Answer, json, jsonText, ok } from '../../answer/answer.ts'
import { requireContentType } from '../../request/body.ts'
import { exactNumberOfBody } from '../../request/exact-members.ts'
import type { Exchange } from '../../request/exchange.ts'
import { readTrueOrFalse } from '../../request/parameters.ts'
import { withNewline } from '../document/document-read.ts'
import type { Resource } from '../resource.ts'
import { compactViews } from './index-upkeep.ts'

/** What a database remembers about itself, and its upkeep. */
function getSecurity(exchange: Exchange): Answer {
  const stored = exchange.database.security()
  return jsonText(200, stored === undefined ? `${DEFAULT_SECURITY_TEXT}\n` : withNewline(stored))
}

/** Stored as its canonical text, the client's own members too. */
async function putSecurity(exchange: Exchange): Promise<Answer> {
  const { settings } = exchange.backend
  if (isUsersDatabase(exchange.database.name, settings) && !exchange.limits.usersSecurityEditable) {
    throw new DatabaseError('forbidden', "You can't edit the security object of the user database.")
  }
  const text = await exchange.jsonText()
  const value = await exchange.jsonBody()
  readSecurity(value)
  requireChannelMembers(value)
  if (readSecurity(value).channels) readChannelSettings(value as Record<string, unknown>)
  await exchange.database.setSecurity(text)
  return ok()
}

function getRevsLimit(exchange: Exchange): Answer {
  return json(200, exchange.database.revsLimit())
}

async function putRevsLimit(exchange: Exchange): Promise<Answer> {
  const limit = await exactNumberOfBody(exchange, await exchange.jsonBody())
  if (!Number.isSafeInteger(limit) || (limit as number) < 1) {
    throw new DatabaseError('badRequest', '`revs_limit` must be a positive integer')
  }
  await exchange.database.setRevsLimit(limit as number)
  return ok()
}

async function ensureFullCommit(exchange: Exchange): Promise<Answer> {
  requireContentType(exchange.header('content-type'), 'application/json')
  await exchange.database.ensureFullCommit()
  return json(201, { ok: true, instance_start_time: exchange.database.instanceStartTime })
}

/** With `dry_run=true` nothing is done, and said what would be. */
async function compact(exchange: Exchange): Promise<Answer> {
  requireContentType(exchange.header('content-type'), 'application/json')
  const [design] = exchange.place.rest
  if (design === undefined) {
    const dryRun = exchange.query.get('dry_run')
    if (dryRun !== undefined && readTrueOrFalse(dryRun, '`dry_run` must be true or false')) {
      return json(200, { ok: true, dry_run: true, sizes: compactedSizes(exchange) })
    }
    await exchange.backend.compactions.start(exchange.place.database!)
    return ok(202)
  }
  return compactViews(exchange, design)
}

/** What the nodes and groups of a new file take beside the keys and values in them. */
const OVERHEAD = 1.04

function compactedSizes(exchange: Exchange): Record<string, number> {
  const { file, active } = exchange.database.info().sizes
  const after = Math.min(file, Math.ceil(active * OVERHEAD) + EMPTY_FILE_BYTES)
  return { file, after, freed: file - after }
}

const EMPTY_FILE_BYTES = 8360

export const settingsResources: Resource[] = [
  {
    route: 'db/_security',
    endpoint: 'alone',
    body: 'names',
    allow: 'PUT,GET',
    methods: { GET: getSecurity, PUT: putSecurity },
  },
  {
    route: 'db/_revs_limit',
    endpoint: 'alone',
    allow: 'PUT,GET',
    methods: { GET: getRevsLimit, PUT: putRevsLimit },
  },
  {
    route: 'db/_ensure_full_commit',
    endpoint: 'alone',
    allow: 'POST',
    methods: { POST: ensureFullCommit },
  },
  {
    route: 'db/_compact',
    endpoint: 'owns-rest',
    allow: 'POST',
    methods: { POST: compact },
  },
]
