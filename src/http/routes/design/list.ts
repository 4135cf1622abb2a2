/**
 * `_list/{name}/{view}` and `_list/{name}/{design}/{view}`: rows as a function sends them, while it runs. `_all_docs` is such
 * a view too; attachments are stubs. A list holds a thread of the sandbox as long as it sends: a client that takes nothing for as long as a function
 * may run is cut off.
 */
import { DatabaseError } from '../../../base/errors.ts'
import { nextTurn } from '../../../base/time-slice.ts'
import { functionError, requireFunction } from '../../../design/script-failure.ts'
import { joinedText } from '../../../documents/document-text.ts'
import { PAUSE, type Piece } from '../../../documents/piece.ts'
import type { Design } from '../../../scripting/design.ts'
import type { ScriptResponse } from '../../../scripting/response.ts'
import type { Answer } from '../../answer/answer.ts'
import { finalStatus, functionHeaders } from '../../answer/function-answer.ts'
import type { LatePage, Page } from '../../answer/view-listing.ts'
import { requireServerAdmin } from '../../request/access.ts'
import type { Exchange } from '../../request/exchange.ts'
import { allDocsPage } from '../database/all-docs.ts'
import type { Resource } from '../resource.ts'
import { calledRequest, callOptions, designView, functionPolicy, openDesign } from './design-call.ts'
import { requestedView } from './view.ts'
import { viewPages } from './view-pages.ts'
import { viewTarget } from './view-target.ts'

/** Rows that go to the function in one go. */
const BATCH_ROWS = 100
const BATCH_BYTES = 64 * 1024
const ALL_DOCS = '_all_docs'

async function list(exchange: Exchange): Promise<Answer> {
  const { design } = openDesign(exchange)
  const { rest } = exchange.place
  const [name, first, second] = rest
  if (name === undefined || first === undefined || rest.length > 3) throw new DatabaseError('listError')
  if (exchange.method === 'POST') await exchange.jsonTypedBody()
  requireFunction(design, ['lists', name])
  const rows = await listedRows(exchange, design, first, second)
  try {
    const request = await calledRequest(exchange)
    return await started(exchange, design, name, rows, request)
  } catch (error) {
    rows.release()
    throw functionError(error)
  }
}

/** What a list runs over. */
interface ListedRows {
  readonly page: Page | LatePage
  /** Gives back what the page reads from. */
  release(): void
}

/** `first` is the view, or with `second` the design document that has it. Throws as the view does. */
async function listedRows(
  exchange: Exchange,
  design: Design,
  first: string,
  second: string | undefined,
): Promise<ListedRows> {
  const name = second ?? first
  const id = second === undefined ? exchange.id : `_design/${first}`
  const viewDesign = second === undefined ? design : designNamed(exchange, id)
  if (name === ALL_DOCS) {
    // As for the listing itself; a view is for whoever may read its design document.
    if (exchange.place.database?.startsWith('_')) requireServerAdmin(exchange)
    const page = (await allDocsPage(exchange, exchange.method === 'POST'))()
    return { page, release: () => void page.rows.return?.() }
  }
  const target = viewTarget(exchange, viewDesign, id, name)
  const asked = { ...(await requestedView(exchange)), attachments: {} }
  const { pages, release } = await viewPages(exchange, target, [asked])
  return { page: pages[0]!, release }
}

/** Throws missing, deleted. */
function designNamed(exchange: Exchange, id: string): Design {
  return exchange.backend.designs.of(exchange.database, designView(exchange, id))
}

/** Rejects as the function fails before it has sent anything. */
async function started(
  exchange: Exchange,
  design: Design,
  name: string,
  rows: ListedRows,
  request: Buffer,
): Promise<Answer> {
  const { totalRows, offset, updateSeq } = rows.page
  const head = { total_rows: totalRows, offset, update_seq: updateSeq }
  const { scripting } = exchange.backend.designs
  const source = (): Promise<readonly Uint8Array[]> => nextRows(rows.page)
  const steps = scripting.list(design, name, head, request, source, callOptions(exchange))
  const sent = new SentList(exchange, steps, rows)
  try {
    const response = await sent.begin()
    return {
      kind: 'streamed',
      status: finalStatus(response.code),
      headers: functionHeaders(response, { policy: functionPolicy(exchange) }),
      pieces: sent,
    }
  } catch (error) {
    await sent.return()
    throw error
  }
}

async function nextRows({ rows }: Page | LatePage): Promise<Uint8Array[]> {
  const batch: Uint8Array[] = []
  let bytes = 0
  while (batch.length < BATCH_ROWS && bytes < BATCH_BYTES) {
    const next = rows.next()
    const step = next instanceof Promise ? await next : next
    if (step.done === true) break
    if (step.value === PAUSE) {
      await nextTurn()
      continue
    }
    const text = joinedText(step.value)
    batch.push(text)
    bytes += text.length
  }
  return batch
}

/** What the function sends, as the client takes it. Its rows and its thread are given back however it ends. */
class SentList implements AsyncIterator<Piece> {
  readonly #exchange: Exchange
  readonly #steps: AsyncGenerator<ScriptResponse | string, void, void>
  readonly #rows: ListedRows
  #stalled: NodeJS.Timeout | undefined
  /** What came with the beginning. */
  #first: string | undefined

  constructor(
    exchange: Exchange,
    steps: AsyncGenerator<ScriptResponse | string, void, void>,
    rows: ListedRows,
  ) {
    this.#exchange = exchange
    this.#steps = steps
    this.#rows = rows
  }

  /** What the answer begins with: a function may change it until there is something to send. */
  async begin(): Promise<ScriptResponse> {
    let response: ScriptResponse | undefined
    while (this.#first === undefined) {
      const step = await this.#steps.next()
      if (step.done === true) break
      if (typeof step.value === 'string') this.#first = step.value
      else response = step.value
    }
    if (response === undefined) throw new Error('a list without a beginning')
    return response
  }

  async next(): Promise<IteratorResult<Piece>> {
    clearTimeout(this.#stalled)
    try {
      const step = await this.#nextStep()
      if (step.done === true) return await this.return()
      this.#stalled = setTimeout(
        () => this.#cutOff(),
        this.#exchange.backend.settings.get('functionTimeoutMs'),
      )
      return { done: false, value: typeof step.value === 'string' ? step.value : '' }
    } catch (error) {
      await this.return()
      throw functionError(error)
    }
  }

  async return(): Promise<IteratorResult<Piece>> {
    clearTimeout(this.#stalled)
    this.#rows.release()
    await this.#steps.return()
    return { done: true, value: undefined }
  }

  async #nextStep(): Promise<IteratorResult<ScriptResponse | string>> {
    const first = this.#first
    if (first === undefined) return await this.#steps.next()
    this.#first = undefined
    return { done: false, value: first }
  }

  #cutOff(): void {
    this.#exchange.response.destroy()
  }
}

export const listResource: Resource = {
  route: 'design/_list',
  endpoint: 'owns-rest',
  body: 'function',
  allow: 'GET,POST,HEAD',
  methods: { GET: list, POST: list },
}
