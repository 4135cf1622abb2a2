/**
 * The id of a replication, under which both sides keep its checkpoints: the MD5 of what CouchDB's `couch_replicator_ids` puts
 * together, in Erlang's external term format as `term_to_binary` with `minor_version` 1 writes it. So a job that moves from
 * CouchDB to this server, with `[couchdb] uuid` along, goes on from its checkpoint.
 *
 * Version 4: `[Uuid, Source, Target | Filter]`, where an endpoint is
 * `{remote, User, Host, Port, Path, Headers, undefined}`: strings are lists of characters, the port is `default` for 80 and
 * 5984 of http and 443 of https, headers are the given ones without basic authentication, and none that every request has.
 * Version 3: the same with `{remote, Url, Headers}`, credentials included. The filter is: nothing; the code of a filter function and
 * its `query_params`; the name of a built-in one and its `query_params`; the ids; the selector in normal form. With `winning_revs_only`
 * that word follows, and `since_seq` is last. A database of this server, which CouchDB knows only by a URL of its own, is
 * `{local, Name, User}`.
 */
import { createHash } from 'node:crypto'
import { scanDocument } from '../json/documents.ts'
import { TermWriter } from '../json/term-writer.ts'
import type { EndpointPlace, RemotePlace, ReplicationId, ReplicationJob } from './api.ts'
import { normalSelector } from './normal-selector.ts'

export const ID_VERSION = 4

const TERM_VERSION = 131
const BYTE_LIST = 0x6b
const EMPTY_LIST = 0x6a
const ATOM = 0x64
const LIST = 0x6c
const MOST_BYTE_LIST = 0xffff
const DEFAULT_PORTS: Readonly<Record<string, readonly number[]>> = { http: [80, 5984], https: [443] }

/** What the id depends on beside the job. */
export interface IdContext {
  /** Of the server, 32 hex digits. */
  readonly uuid: string
  /** Of a filter function. */
  readonly filterCode?: string | undefined
}

/** The code of a filter function is part of the id. */
export function needsFilterCode({ options: { choice } }: ReplicationJob): boolean {
  return choice.kind === 'filter' && !choice.filter.startsWith('_')
}

export function replicationId(job: ReplicationJob, context: IdContext): ReplicationId {
  const { continuous, createTarget } = job.options
  const suffix = (continuous ? '+continuous' : '') + (createTarget ? '+create_target' : '')
  return { base: baseId(job, context, ID_VERSION), suffix, older: [baseId(job, context, 3)] }
}

/** The id in a version of CouchDB's, of which old checkpoints may be left. */
export function baseId(job: ReplicationJob, { uuid, filterCode }: IdContext, version: 3 | 4): string {
  const { choice, winningRevsOnly, sinceSeq } = job.options
  const endpoint = version === 4 ? endpointOf4 : endpointOf3
  const parts = [binary(uuid), endpoint(job.source, job.owner.name), endpoint(job.target, job.owner.name)]
  if (choice.kind === 'ids') parts.push(binaries(choice.ids))
  if (choice.kind === 'selector') parts.push(json(normalSelector(choice.selector)))
  if (choice.kind === 'filter') {
    const own = choice.filter.startsWith('_') ? choice.filter : (filterCode ?? '')
    parts.push(binary(own), json(choice.query))
  }
  if (winningRevsOnly) parts.push(binary('winning_revs_only'))
  if (sinceSeq !== undefined) parts.push(json(sinceSeq))
  return createHash('md5').update(Buffer.of(TERM_VERSION)).update(list(parts)).digest('hex')
}

function endpointOf4(place: EndpointPlace, owner: string | null): Buffer {
  if (place.kind === 'local') return localOf(place.name, owner)
  const user = place.basic?.user
  const { scheme, host, port, path } = partsOf(place.url)
  return tuple([
    atom('remote'),
    user === undefined ? atom('undefined') : characters(user),
    characters(host),
    DEFAULT_PORTS[scheme]!.includes(port) ? atom('default') : integer(port),
    characters(path),
    headersOf(place.headers),
    atom('undefined'),
  ])
}

function endpointOf3(place: EndpointPlace, owner: string | null): Buffer {
  if (place.kind === 'local') return localOf(place.name, owner)
  return tuple([atom('remote'), characters(urlOf(place)), headersOf(place.headers)])
}

function urlOf({ url, basic }: RemotePlace): string {
  if (basic === undefined) return url
  const credentials = `${encodeURIComponent(basic.user)}:${encodeURIComponent(basic.password)}@`
  return url.replace('://', `://${credentials}`)
}

function localOf(name: string, owner: string | null): Buffer {
  return tuple([atom('local'), binary(name), owner === null ? atom('undefined') : binary(owner)])
}

/** As the URL says them: nothing is put into another form. */
function partsOf(url: string): { scheme: string; host: string; port: number; path: string } {
  const found = /^(https?):\/\/(\[[^\]]*\]|[^:/?#]*)(?::(\d+))?(.*)$/is.exec(url)
  if (found === null) throw new TypeError('a URL that was checked')
  const scheme = found[1]!.toLowerCase()
  const port = found[3] === undefined ? (scheme === 'https' ? 443 : 80) : Number(found[3])
  const path = found[4] === '' ? '/' : found[4]!
  return {
    scheme,
    host: found[2]!.replace(/^\[|\]$/g, ''),
    port,
    path: path.startsWith('/') ? path : `/${path}`,
  }
}

function headersOf(headers: RemotePlace['headers']): Buffer {
  const own = headers.filter(([name, value]) => name !== 'Accept' || value !== 'application/json')
  return list(own.map((pair) => tuple(pair.map(characters))))
}

function list(elements: readonly Buffer[]): Buffer {
  if (elements.length === 0) return Buffer.of(EMPTY_LIST)
  return Buffer.concat([head(LIST, elements.length), ...elements, Buffer.of(EMPTY_LIST)])
}

function tuple(elements: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.of(0x68, elements.length), ...elements])
}

/** A string of Erlang's: a list of the bytes of its UTF-8. */
function characters(text: string): Buffer {
  const bytes = Buffer.from(text)
  if (bytes.length === 0) return Buffer.of(EMPTY_LIST)
  if (bytes.length > MOST_BYTE_LIST) return list([...bytes].map(integer))
  const short = Buffer.alloc(3)
  short[0] = BYTE_LIST
  short.writeUInt16BE(bytes.length, 1)
  return Buffer.concat([short, bytes])
}

function atom(name: string): Buffer {
  const short = Buffer.alloc(3)
  short[0] = ATOM
  short.writeUInt16BE(name.length, 1)
  return Buffer.concat([short, Buffer.from(name, 'latin1')])
}

function head(tag: number, length: number): Buffer {
  const bytes = Buffer.alloc(5)
  bytes[0] = tag
  bytes.writeUInt32BE(length, 1)
  return bytes
}

function binary(text: string): Buffer {
  return written((writer) => writer.binary(Buffer.from(text)))
}

/** A list of them, of which there may be many. */
function binaries(texts: readonly string[]): Buffer {
  if (texts.length === 0) return list([])
  const elements = written((writer) => {
    for (const text of texts) writer.binary(Buffer.from(text))
  })
  return Buffer.concat([head(LIST, texts.length), elements, Buffer.of(EMPTY_LIST)])
}

function integer(value: number): Buffer {
  return written((writer) => writer.integer(value))
}

/** A value as Erlang's JSON has it: an object is `{[{Name, Value}]}`. */
function json(value: unknown): Buffer {
  // Within another one, since names with an underscore are special to a document.
  const { term } = scanDocument(Buffer.from(JSON.stringify({ value })))!
  return Buffer.from(term.subarray(WRAPPED_HEAD_BYTES, term.length - 1))
}

/** Bytes of `{[{<<"value">>, `; behind the value is the list's end. */
const WRAPPED_HEAD_BYTES = 19

function written(write: (writer: TermWriter) => void): Buffer {
  const writer = new TermWriter()
  write(writer)
  return Buffer.from(writer.bytes.subarray(0, writer.length))
}
