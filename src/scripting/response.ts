/**
 * What shows, updates and the beginnings of lists answer with, read as CouchDB reads it (its `parse_external_response`):
 * members of the answer set code, headers, body and the type of the content that goes with them; any other member is refused.
 */
import type { Failure } from './script-error.ts'

export interface ScriptResponse {
  code: number
  /** Whether the function said it. */
  hasCode: boolean
  /** As the function gave them; what HTTP cannot say is for whoever sends them to refuse. */
  headers: [name: string, value: string][]
  /** For when no header says one. */
  contentType: string
  body: Uint8Array<ArrayBuffer>
  /** `body` is the text of a member `json`, which CouchDB sends with a line break behind it. */
  isJson: boolean
}

const JSON_TYPE = 'application/json'
const HTML_TYPE = 'text/html; charset=utf-8'
const BINARY_TYPE = 'application/binary'
const BASE64 = /^[A-Za-z0-9+/\s]*={0,2}\s*$/

/** Throws a Failure. */
export function readResponse(answer: unknown): ScriptResponse {
  const response: ScriptResponse = {
    code: 200,
    hasCode: false,
    headers: [],
    contentType: JSON_TYPE,
    body: new Uint8Array(0),
    isJson: false,
  }
  if (typeof answer !== 'object' || answer === null) throw refused('answer', answer)
  for (const [name, value] of Object.entries(answer)) readMember(response, name, value)
  return response
}

function readMember(response: ScriptResponse, name: string, value: unknown): void {
  if (name === 'code') {
    if (!Number.isInteger(value) || (value as number) < 100 || (value as number) > 999) {
      throw refused(name, value)
    }
    response.code = value as number
    response.hasCode = true
  } else if (name === 'headers') {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refused(name, value)
    response.headers = Object.entries(value).map(([header, text]) => [header, textOf(header, text)])
  } else if (name === 'json') {
    response.contentType = JSON_TYPE
    response.body = bytesOf(JSON.stringify(value))
    response.isJson = true
  } else if (name === 'body') {
    if (typeof value !== 'string') throw refused(name, value)
    if (response.isJson) return
    response.contentType = HTML_TYPE
    response.body = bytesOf(value)
  } else if (name === 'base64') {
    if (typeof value !== 'string' || !BASE64.test(value)) throw refused(name, value)
    if (response.isJson) return
    response.contentType = BINARY_TYPE
    response.body = new Uint8Array(Buffer.from(value, 'base64'))
  } else if (!(name === 'stop' && value === true)) throw refused(name, value)
}

function textOf(header: string, value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  throw refused(header, value)
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text))
}

function refused(name: string, value: unknown): Failure {
  const shown = `{${JSON.stringify(name)},${JSON.stringify(value)}}`.slice(0, 1000)
  return {
    kind: 'thrown',
    error: 'external_response_error',
    reason: `Invalid data from external server: ${shown}`,
  }
}
