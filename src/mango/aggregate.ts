/**
 * `aggregate`, beyond CouchDB: figures of the documents that a selector means, by groups of fields. A result is named and says
 * of what it is: `{"$count":true}`, `{"$count":FIELD}`, `{"$sum":FIELD}`, `{"$avg":FIELD}`, `{"$min":FIELD}`,
 * `{"$max":FIELD}`; `$group` is a list of fields.
 * - `$sum` and `$avg` are of numbers alone: other values, and documents without the field, count for nothing. `$avg`, `$min`
 *   and `$max` of nothing are null.
 * - `$min` and `$max` are by the order of views, of any values.
 * - Documents are of one group if they have the same texts in the fields of `$group`; a field that they lack is not in the
 *   group either. Groups come in the order of views.
 */
import { DatabaseError } from '../base/errors.ts'
import { sortSteps } from '../base/sort-steps.ts'
import { isTurnOver } from '../base/time-slice.ts'
import type { DocumentView } from '../database/api/database.ts'
import { viewText } from '../documents/document-text.ts'
import { PAUSE } from '../documents/piece.ts'
import { floatText } from '../json/float-text.ts'
import { compareTexts } from '../json/text-order.ts'
import { isNumberAt, isObjectAt, isStringAt, membersOf, numberAt, skipValue, stringAt } from '../json/walk.ts'
import { stringText } from '../json/writer.ts'
import type { SelectorBudget } from '../selector/budget.ts'
import { DocumentFields, type Field } from '../selector/document-fields.ts'
import { compileFields, readFields } from '../selector/fields.ts'
import { JsonSlice } from '../selector/json-slice.ts'
import { parsePath } from '../selector/path.ts'
import { selecting } from './query-members.ts'

const OPERATORS = ['$count', '$sum', '$avg', '$min', '$max'] as const
type Operator = (typeof OPERATORS)[number]

export interface WantedFigure {
  readonly name: string
  readonly operator: Operator
  /** Undefined: of documents. */
  readonly field: string | undefined
}

export interface Aggregate {
  readonly groupBy: readonly string[]
  readonly figures: readonly WantedFigure[]
}

const MOST_GROUPS = 10_000
/** Each of them is kept for each group. */
const MOST_FIGURES = 100
/** Of the groups together, and of the values that are the least and the most. */
const MOST_BYTES = 32 * 1024 * 1024

/** Throws invalid_aggregate, and what is wrong with fields. */
export function readAggregate(slice: JsonSlice): Aggregate {
  const { text, at } = slice
  if (!isObjectAt(text, at)) throw refused('it must be an object')
  let groupBy: readonly string[] = []
  const figures: WantedFigure[] = []
  for (const [name, value] of membersOf(text, at)) {
    const member = new JsonSlice(text, value)
    if (name === '$group') groupBy = selecting(() => readFields(member))
    else if (name.startsWith('$')) throw refused(`there is no ${name}`)
    else figures.push(readFigure(name, member))
  }
  if (figures.length === 0) throw refused('it names no result')
  if (figures.length > MOST_FIGURES) throw refused(`it names more than ${MOST_FIGURES} results`)
  return { groupBy, figures }
}

function readFigure(name: string, { text, at }: JsonSlice): WantedFigure {
  const members = isObjectAt(text, at) ? membersOf(text, at) : []
  const [member] = members
  const operator = OPERATORS.find((each) => each === member?.[0])
  if (member === undefined || members.length > 1 || operator === undefined) {
    throw refused(`${name} must be an object with one of ${OPERATORS.join(', ')}`)
  }
  const argument = new JsonSlice(text, member[1])
  if (isStringAt(text, argument.at)) return { name, operator, field: stringAt(text, argument.at) }
  if (operator === '$count' && argument.toString() === 'true') return { name, operator, field: undefined }
  throw refused(`${operator} of ${name} must name a field`)
}

function refused(why: string): DatabaseError {
  return new DatabaseError('invalidAggregate', `Invalid aggregate: ${why}.`)
}

/** What one figure has come to in one group. */
interface Running {
  count: number
  sum: number
  isFloat: boolean
  extreme: Buffer | undefined
}

/** Takes documents, and says in the end what they come to. */
export class Aggregation {
  readonly #figures: readonly WantedFigure[]
  readonly #fields: DocumentFields<DocumentView>
  readonly #wanted: readonly (Field | undefined)[]
  readonly #groupOf: ((view: DocumentView) => Buffer) | undefined
  readonly #groups = new Map<string, Running[]>()
  #bytes = 0

  /** Throws DatabaseErrors. */
  constructor({ groupBy, figures }: Aggregate, budget: SelectorBudget) {
    this.#figures = figures
    this.#fields = new DocumentFields<DocumentView>(viewText, budget)
    this.#wanted = selecting(() =>
      figures.map(({ field }) => (field === undefined ? undefined : this.#fields.field(parsePath(field)))),
    )
    this.#groupOf = selecting(() => compileFields<DocumentView>(groupBy, viewText, budget))
    if (this.#groupOf === undefined) this.#groups.set('', this.#fresh())
  }

  #fresh(): Running[] {
    return this.#figures.map(() => ({ count: 0, sum: 0, isFloat: false, extreme: undefined }))
  }

  /** Throws invalid_aggregate for too many groups, and selectorTimeout. */
  add(view: DocumentView): void {
    const group = this.#groupOf?.(view).toString() ?? ''
    let running = this.#groups.get(group)
    if (running === undefined) {
      running = this.#fresh()
      this.#groups.set(group, running)
      this.#charge(group.length)
      if (this.#groups.size > MOST_GROUPS) throw refused(`there are more than ${MOST_GROUPS} groups`)
    }
    this.#fields.open(view)
    for (const [at, { operator }] of this.#figures.entries()) {
      const field = this.#wanted[at]
      const start = field === undefined ? 0 : field.find()
      if (start >= 0) this.#take(running[at]!, operator, field?.text, start)
    }
  }

  #take(running: Running, operator: Operator, text: Buffer | undefined, at: number): void {
    if (operator === '$count' || text === undefined) {
      running.count += 1
    } else if (operator === '$sum' || operator === '$avg') {
      if (!isNumberAt(text, at)) return
      running.count += 1
      running.sum += numberAt(text, at)
      running.isFloat ||= !Number.isSafeInteger(numberAt(text, at))
    } else {
      const direction = operator === '$min' ? 1 : -1
      const { extreme } = running
      if (extreme !== undefined && compareTexts(text, at, extreme, 0) * direction >= 0) return
      running.extreme = Buffer.from(text.subarray(at, skipValue(text, at)))
      this.#charge(running.extreme.length - (extreme?.length ?? 0))
    }
  }

  #charge(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes > MOST_BYTES) throw refused('its groups are too long')
  }

  /** JSON of the list of groups. */
  *pieces(): Generator<string | typeof PAUSE, void, undefined> {
    const groups = [...this.#groups].map(([text, running]) => ({ text: Buffer.from(text), running }))
    const sorting = sortSteps(groups, (a, b) => compareTexts(a.text, 0, b.text, 0))
    let step = sorting.next()
    for (; step.done !== true; step = sorting.next()) if (isTurnOver()) yield PAUSE
    let separator = '\r\n'
    for (const { text, running } of step.value) {
      const group = this.#groupOf === undefined ? '' : `"group":${text},`
      const figures = this.#figures.map(
        ({ name, operator }, at) => `${stringText(name)}:${resultText(operator, running[at]!)}`,
      )
      yield `${separator}{${group}${figures.join(',')}}`
      separator = ',\r\n'
    }
  }
}

function resultText(operator: Operator, { count, sum, isFloat, extreme }: Running): string {
  if (operator === '$count') return String(count)
  if (operator === '$sum') return numberText(sum, isFloat)
  if (operator === '$avg') return count === 0 ? 'null' : numberText(sum / count, isFloat)
  return extreme?.toString() ?? 'null'
}

function numberText(value: number, isFloat: boolean): string {
  if (!Number.isFinite(value)) return 'null'
  return Number.isSafeInteger(value) && !isFloat ? String(value) : floatText(value)
}
