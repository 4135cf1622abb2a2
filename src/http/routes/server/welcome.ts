import { DatabaseError } from '../../../base/errors.ts'
import { COUCHDB_VERSION } from '../../../base/version.ts'
import { type Answer, json, type WholeAnswer } from '../../answer/answer.ts'
import { contentEtag } from '../../answer/etag.ts'
import type { Exchange } from '../../request/exchange.ts'
import { readNatural } from '../../request/parameters.ts'
import type { Resource } from '../resource.ts'

/** What a server says about itself to everybody. */

function welcome(exchange: Exchange): Answer {
  return json(200, {
    couchdb: 'Welcome',
    version: COUCHDB_VERSION,
    git_sha: `davenport-${exchange.service.options.version}`,
    uuid: exchange.backend.uuid,
    features: ['partitioned', 'scheduler'],
    vendor: { name: 'Davenport', version: exchange.service.options.version },
  })
}

/** What `maintenance_mode` may be for the node to say that it wants no requests, and what it says. */
const UNAVAILABLE: Readonly<Record<string, string>> = { true: 'maintenance_mode', nolb: 'nolb' }

function up({ backend }: Exchange): Answer {
  const mode = backend.settings.get('maintenanceMode')
  const status = Object.hasOwn(UNAVAILABLE, mode) ? UNAVAILABLE[mode] : undefined
  return status === undefined ? json(200, { seeds: {}, status: 'ok' }) : json(404, { status })
}

function uuids(exchange: Exchange): Answer {
  const count = readNatural(exchange.query.get('count') ?? '1', 'count must be a positive integer')
  if (count > exchange.limits.maxUuids) {
    throw new DatabaseError('badRequest', 'count parameter too large')
  }
  const list = Array.from({ length: count }, () => exchange.uuids.next())
  return json(
    200,
    { uuids: list },
    {
      'cache-control': 'no-cache',
      pragma: 'no-cache',
      expires: 'Mon, 01 Jan 1990 00:00:00 GMT',
      etag: contentEtag(...list),
    },
  )
}

/** 16 by 16 pixels, 1 bit, all transparent: browsers ask, and there is no picture. */
const ICON = ((): Buffer => {
  const bitmap = Buffer.alloc(40 + 8 + 64 + 64, 0)
  bitmap.writeUInt32LE(40, 0)
  bitmap.writeInt32LE(16, 4)
  bitmap.writeInt32LE(32, 8)
  bitmap.writeUInt16LE(1, 12)
  bitmap.writeUInt16LE(1, 14)
  bitmap.fill(0xff, 112)
  const head = Buffer.from([0, 0, 1, 0, 1, 0, 16, 16, 2, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 22, 0, 0, 0])
  const entry = head.subarray(0, 22)
  entry.writeUInt32LE(bitmap.length, 14)
  entry.writeUInt32LE(22, 18)
  return Buffer.concat([entry, bitmap])
})()

const YEAR_SECONDS = 31_536_000

function favicon(exchange: Exchange): WholeAnswer {
  const expires = new Date(exchange.backend.clock.now() + YEAR_SECONDS * 1000).toUTCString()
  const headers = {
    'content-type': 'image/x-icon',
    'cache-control': `public, max-age=${YEAR_SECONDS}`,
    expires,
  }
  return { kind: 'whole', status: 200, headers, body: ICON }
}

const GET_HEAD = 'GET,HEAD'

export const welcomeResources: Resource[] = [
  { route: 'welcome', allow: GET_HEAD, methods: { GET: welcome } },
  { route: '_up', endpoint: 'owns-rest', allow: GET_HEAD, methods: { GET: up } },
  { route: '_uuids', endpoint: 'owns-rest', allow: 'GET', methods: { GET: uuids } },
  { route: 'favicon.ico', endpoint: 'owns-rest', allow: GET_HEAD, methods: { GET: favicon } },
]
