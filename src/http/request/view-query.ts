/** What is asked of a view: from the query string, and from the members of a body. */
import type { AttachmentWish } from '../../documents/attachment-wish.ts'
import type { ViewQuery } from '../../views/query.ts'
import { exactKeys, keyText } from './exact-keys.ts'
import type { Exchange } from './exchange.ts'
import {
  type Raw,
  readJson,
  readJsonText,
  readViewBoolean,
  readViewCount,
  readViewText,
  requireViewOneOf,
} from './parameters.ts'
import { exactKeyOfBody, exactKeysOfBody, withExactCounts } from './view-body.ts'
import {
  COMMON_SETTERS,
  type CommonParameters,
  STABLE_VALUES,
  STALE_VALUES,
  settersOf,
  UPDATE_VALUES,
} from './view-parameters.ts'

export interface RequestedView extends ViewQuery {
  attachments: AttachmentWish
  updateSeq: boolean
  /** Rows of the index that the design document had before it was changed will do until its own is there. */
  buildBeforeSwitch: boolean
}

type Draft = CommonParameters & RequestedView

/** A member of a body: the text of a key is that of the body, whose numbers and order of names objects here would lose. */
export type BodyMember = readonly [name: string, raw: Raw]

const KEY_NAMES = new Set(['key', 'startkey', 'start_key', 'endkey', 'end_key'])
const KEYS_NAME = 'keys'

function startKey(draft: Draft, raw: Raw): void {
  draft.startKey = readKeyText(raw)
}

function endKey(draft: Draft, raw: Raw): void {
  draft.endKey = readKeyText(raw)
}

function startId(draft: Draft, raw: Raw): void {
  draft.startId = readViewText(raw)
}

function endId(draft: Draft, raw: Raw): void {
  draft.endId = readViewText(raw)
}

const SETTERS = settersOf<Draft>({
  ...COMMON_SETTERS,
  key: (draft, raw) => {
    draft.startKey = readKeyText(raw)
    draft.endKey = draft.startKey
  },
  keys: (draft, raw) => {
    const keys = readKeyTexts(raw)
    if (keys?.length === 1) {
      // As in CouchDB: one key is a range, which what is said later changes.
      draft.startKey = keys[0]
      draft.endKey = keys[0]
      draft.keys = undefined
    } else draft.keys = keys
  },
  startkey: startKey,
  start_key: startKey,
  endkey: endKey,
  end_key: endKey,
  startkey_docid: startId,
  start_key_doc_id: startId,
  endkey_docid: endId,
  end_key_doc_id: endId,
  reduce: (draft, raw) => {
    draft.reduce = readViewBoolean(raw)
  },
  group: (draft, raw) => {
    draft.group = readViewBoolean(raw)
  },
  group_level: (draft, raw) => {
    draft.groupLevel = readViewCount(raw)
  },
  stale: (draft, raw) => {
    requireViewOneOf(raw, 'stale', STALE_VALUES)
    draft.freshness = readViewText(raw) === 'ok' ? 'stale' : 'lazy'
  },
  stable: (_draft, raw) => requireViewOneOf(raw, 'stable', STABLE_VALUES),
  update: (draft, raw) => {
    requireViewOneOf(raw, 'update', UPDATE_VALUES)
    const said = readViewText(raw)
    draft.freshness = said === 'lazy' ? 'lazy' : said === 'false' ? 'stale' : 'current'
  },
  build_before_switch: (draft, raw) => {
    draft.buildBeforeSwitch = readViewBoolean(raw)
  },
})

/** What the query string may say. */
export const VIEW_PARAMETERS: readonly string[] = [...SETTERS.keys()]

/** Of a request: what the query string says counts for more than the body's members. Throws queryParseError, invalidJson. */
export function parseViewQuery(
  pairs: readonly (readonly [string, string])[],
  members: readonly BodyMember[] = [],
): RequestedView {
  const draft = viewDefaults()
  for (const [name, raw] of members) SETTERS.get(name)?.(draft, raw)
  setAll(draft, pairs)
  return draft
}

/** Of one of several queries, which refines what the query string says; of keys and groups that says nothing. Throws alike. */
export function parseOneOfQueries(
  pairs: readonly (readonly [string, string])[],
  members: readonly BodyMember[],
): RequestedView {
  const draft: Draft = {
    ...parseViewQuery(pairs),
    keys: undefined,
    group: undefined,
    groupLevel: undefined,
  }
  for (const [name, raw] of members) SETTERS.get(name)?.(draft, raw)
  return draft
}

/** Every member is there from the start: queries have one shape, whatever they say. */
function viewDefaults(): Draft {
  return {
    startKey: undefined,
    endKey: undefined,
    keys: undefined,
    startId: undefined,
    endId: undefined,
    inclusiveEnd: true,
    descending: false,
    skip: 0,
    limit: undefined,
    includeDocs: false,
    conflicts: undefined,
    attachments: {},
    reduce: undefined,
    group: undefined,
    groupLevel: undefined,
    updateSeq: false,
    freshness: 'current',
    partition: undefined,
    buildBeforeSwitch: false,
  }
}

function setAll(draft: Draft, pairs: readonly (readonly [string, string])[]): void {
  for (const [name, text] of pairs) SETTERS.get(name)?.(draft, { text })
}

/** The members of an object of the body that stands at `path`. */
export async function bodyMembers(
  exchange: Exchange,
  body: Record<string, unknown>,
  ...path: (string | number)[]
): Promise<BodyMember[]> {
  const members: BodyMember[] = []
  for (const [name, value] of Object.entries(await withExactCounts(exchange, body, ...path))) {
    if (name === KEYS_NAME && Array.isArray(value)) {
      members.push([name, { json: await exactKeysOfBody(exchange, value, ...path, name) }])
    } else if (KEY_NAMES.has(name))
      members.push([name, { json: await exactKeyOfBody(exchange, value, ...path, name) }])
    else members.push([name, { json: value }])
  }
  return members
}

function readKeyText(raw: Raw): string {
  return 'json' in raw ? keyText(raw.json) : readJsonText(raw.text)
}

/** Null for what is no array. */
function readKeyTexts(raw: Raw): string[] | null {
  const keys =
    'json' in raw ? raw.json : Array.isArray(readJson(raw.text)) && exactKeys(Buffer.from(raw.text))
  return Array.isArray(keys) ? keys.map(keyText) : null
}
