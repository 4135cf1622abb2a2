/** PouchDB, which ships no types; only what the tests call. */
export interface PouchDocument {
  _id: string
  _rev?: string
  _deleted?: boolean
  _conflicts?: string[]
  [member: string]: unknown
}

export interface PouchResult {
  ok?: boolean
  id: string
  rev: string
  error?: boolean
  status?: number
  name?: string
}

export interface PouchReplication {
  ok: boolean
  docs_read: number
  docs_written: number
  doc_write_failures: number
  last_seq: unknown
}

export interface PouchChanges {
  results: { id: string; seq: unknown; deleted?: boolean; changes: { rev: string }[]; doc?: PouchDocument }[]
  last_seq: unknown
}

export interface PouchFeed {
  on(event: 'change', listener: (change: PouchChanges['results'][number]) => void): PouchFeed
  on(event: 'complete' | 'error', listener: (value: unknown) => void): PouchFeed
  cancel(): void
}

export interface PouchRows {
  total_rows?: number
  offset?: number
  rows: { id?: string; key: unknown; value: unknown; doc?: PouchDocument }[]
}

export interface Pouch {
  put(doc: PouchDocument, options?: object): Promise<PouchResult>
  get(id: string, options?: object): Promise<PouchDocument>
  remove(doc: PouchDocument | string, rev?: string): Promise<PouchResult>
  bulkDocs(docs: PouchDocument[], options?: object): Promise<PouchResult[]>
  allDocs(options?: object): Promise<{
    total_rows: number
    offset: number
    rows: { id: string; key: string; value: { rev: string; deleted?: boolean }; doc?: PouchDocument }[]
  }>
  changes(options?: object): PouchFeed & Promise<PouchChanges>
  query(view: string, options?: object): Promise<PouchRows>
  viewCleanup(): Promise<unknown>
  info(): Promise<{ doc_count: number; update_seq: unknown }>
  destroy(): Promise<unknown>
  close(): Promise<unknown>
  replicate: {
    to(target: Pouch, options?: object): Promise<PouchReplication> & PouchFeed
    from(source: Pouch, options?: object): Promise<PouchReplication> & PouchFeed
  }
}

interface PouchConstructor {
  new (name: string, options?: object): Pouch
  plugin(plugin: unknown): PouchConstructor
}

async function load(name: string): Promise<unknown> {
  return ((await import(name)) as { default: unknown }).default
}

/** With the http and memory adapters, replication and views. */
export async function loadPouchDb(): Promise<PouchConstructor> {
  const PouchDB = (await load('pouchdb-core')) as PouchConstructor
  const plugins = [
    'pouchdb-adapter-http',
    'pouchdb-adapter-memory',
    'pouchdb-replication',
    'pouchdb-mapreduce',
  ]
  for (const plugin of plugins) PouchDB.plugin(await load(plugin))
  return PouchDB
}

/** With the plugin `find` over the http adapter. */
export async function loadFindingPouchDb(): Promise<new (name: string) => FindingPouch> {
  const PouchDB = (await load('pouchdb-core')) as PouchConstructor
  PouchDB.plugin(await load('pouchdb-adapter-http'))
  PouchDB.plugin(await load('pouchdb-find'))
  return PouchDB as unknown as new (
    name: string,
  ) => FindingPouch
}

export interface FindingPouch extends Pouch {
  createIndex(index: object): Promise<object>
  getIndexes(): Promise<object>
  deleteIndex(index: object): Promise<object>
  find(query: object): Promise<{ docs: object[]; warning?: string }>
  explain(query: object): Promise<object>
}
