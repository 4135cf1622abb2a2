/**
 * The scanner of documents beside a second implementation that is written for plainness alone. Invariants:
 * - A text is accepted exactly when the second implementation accepts it; whatever else is thrown is a defect.
 * - Body, special members and external term are the second implementation's, byte for byte: so is, then, the
 *   revision id, which is worked out a second time as well.
 * - The canonical text is a fixed point, and what `JSON.parse` makes of it is what it makes of the source wherever
 *   numbers fit a double.
 * - A batch scans as its documents do.
 */
import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { formatRevision, nextRevision } from '../../src/database/revisions/revision-id.ts'
import { canonicalize, scanDocument, scanDocuments } from '../../src/json/documents.ts'
import {
  expected,
  mutate,
  mutation,
  orNoJson,
  readable,
  scanned,
} from '../../test/support/json-expectation.ts'
import { jsonText } from '../../test/support/json-text.ts'
import { parsePlain, plainText } from '../../test/support/plain-json.ts'
import type { Random } from '../../test/support/random.ts'
import type { Coverage } from '../coverage.ts'
import { playerOf, type Target } from '../target.ts'

const mutations = fc.array(mutation, { minLength: 1, maxLength: 3 })

function draw<T>(arbitrary: fc.Arbitrary<T>, random: Random): T {
  return fc.sample(arbitrary, { numRuns: 1, seed: random.next() | 0 })[0]!
}

function shown(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length > 600 ? `${text.slice(0, 600)}... (${text.length})` : text
}

function assertSame(found: unknown, wanted: unknown, what: string, bytes: Buffer): void {
  if (isDeepStrictEqual(found, wanted)) return
  const source = shown(bytes.toString('latin1'))
  throw new Error(`${what}: found ${shown(found)}, wanted ${shown(wanted)}, of ${source}`)
}

/** The canonical text of -0 is 0. */
function parsedByNode(bytes: Buffer): unknown {
  return JSON.parse(bytes.toString(), (_key, value: unknown) => (value === 0 ? 0 : value))
}

/** The revision id of a first edit, by the layout of the term alone: `[false, 0, 0, Body, []]`, behind 131. */
function plainRevision(term: Buffer): string {
  const head = Buffer.from('836c0000000564000566616c736561006100', 'hex')
  const tail = Buffer.from('6a6a', 'hex')
  return `1-${createHash('md5')
    .update(Buffer.concat([head, term, tail]))
    .digest('hex')}`
}

function examine(bytes: Buffer, coverage: Coverage): void {
  const wanted = expected(bytes)
  const found = scanned(bytes)
  assertSame(found, wanted, 'scanDocument', bytes)
  const batch = Buffer.concat([Buffer.from('{"docs":['), bytes, Buffer.from(']}')])
  const single = orNoJson(() => scanDocuments(batch))
  // Bytes such as "1,2", or "1],[2", are no text and yet make one with what stands around them.
  assertSame(single === 'no JSON', parsePlain(batch) === null, 'scanDocuments', bytes)
  const node = parsePlain(bytes)
  if (node === null) {
    coverage.count('refused')
    return
  }
  coverage.count('accepted')
  const canonical = canonicalize(bytes)
  assertSame(canonical.toString(), plainText(node), 'canonicalize', bytes)
  assertSame(canonicalize(canonical).toString(), canonical.toString(), 'the canonical text again', bytes)
  assertSame(parsedByNode(canonical), parsedByNode(bytes), 'JSON.parse', bytes)
  const document = scanDocument(bytes)
  if (document === null) return
  coverage.count('documents')
  if (document.special.size > 0) coverage.count('specialMembers')
  const term = Buffer.from(document.term)
  assertSame(formatRevision(nextRevision(false, null, term, [])), plainRevision(term), 'revision id', bytes)
  if (single === 'no JSON') throw new Error('a document alone is none in a batch')
  assertSame(single?.documents?.map(readable), [found], 'a batch of one', bytes)
}

export const json: Target = {
  name: 'json',
  summary: 'the document scanner and the revision hash beside a second implementation',
  caseEvents: 200,
  smokeEvents: 2400,
  rarePaths: ['accepted', 'documents', 'mutated', 'refused', 'specialMembers', 'randomBytes'],
  open: playerOf(async (script) => {
    const { coverage } = script
    for (const random of script.events()) {
      const kind = random.int(10)
      if (kind === 0) {
        coverage.count('randomBytes')
        examine(Buffer.from(random.bytes(random.int(12))), coverage)
        continue
      }
      const text = Buffer.from(draw(jsonText, random))
      if (kind < 5) {
        examine(text, coverage)
      } else {
        coverage.count('mutated')
        examine(draw(mutations, random).reduce(mutate, text), coverage)
      }
    }
  }),
}
