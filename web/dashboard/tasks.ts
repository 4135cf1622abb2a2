/** What runs, how far it is and how fast, with a button that ends it; and what has ended. */
import { byId, KeyedList, make, makeBar, setBar, setText } from './elements.ts'
import { durationText, numberText } from './format.ts'
import type { TaskInfo } from './sections.ts'

const TITLES: Readonly<Record<string, string>> = {
  database_compaction: 'Compaction',
  view_compaction: 'Compaction of views',
  indexer: 'Views',
  replication: 'Replication',
}
/** A rate is of the last seconds. */
const RATE_MS = 5000

function titleOf({ type, database, design_document: design, source, target }: TaskInfo): string {
  const title = TITLES[type] ?? type
  if (source !== undefined && target !== undefined)
    return `${title}: ${placeName(source)} → ${placeName(target)}`
  const place = [database, design?.replace('_design/', '')].filter((each) => each != null).join(' / ')
  return place === '' ? title : `${title}: ${place}`
}

/** Of an address what tells it from others: of one of this server the name of the database. */
function placeName(address: string): string {
  const place = address.replace(/^https?:\/\//, '').replace(/\/$/, '')
  return place.startsWith(`${location.host}/`) ? place.slice(location.host.length + 1) : place
}

/** How many are done in a second, from what was told of late. */
class Rate {
  readonly #points: { atMs: number; done: number }[] = []

  add(done: number): number {
    const atMs = performance.now()
    this.#points.push({ atMs, done })
    while (this.#points.length > 2 && this.#points[1]!.atMs <= atMs - RATE_MS) this.#points.shift()
    const first = this.#points[0]!
    return atMs - first.atMs < 400 ? 0 : ((done - first.done) * 1000) / (atMs - first.atMs)
  }
}

function progressText(task: TaskInfo, rate: number): string {
  const { docs_written: written, changes_pending: pending } = task
  const parts: string[] = []
  if (written !== undefined) {
    parts.push(`${numberText(written)} documents written`)
    if (pending != null) parts.push(`${numberText(pending)} changes to go`)
  } else if (task.total_changes > 0) {
    parts.push(`${task.progress} %`, `${numberText(task.changes_done)} of ${numberText(task.total_changes)}`)
  } else parts.push(task.phase.replaceAll('_', ' '))
  if (rate > 0) parts.push(`${numberText(rate)} a second`)
  const left = pending != null && rate > 0 ? pending / rate : task.eta_seconds
  if (left != null && left > 0) parts.push(`about ${durationText(left)} left`)
  if (task.status !== 'running') parts.push(task.status)
  return parts.join(' · ')
}

export class Tasks {
  readonly #none = byId('no-tasks')
  readonly #endedTitle = byId('ended-title')
  readonly #running: KeyedList<TaskInfo>
  readonly #ended: KeyedList<TaskInfo>

  /** `end` is called with the task that somebody wants to end; undefined: nobody here may. */
  constructor(end: ((task: TaskInfo) => void) | undefined) {
    this.#running = new KeyedList(byId('tasks'), () => runningItem(end))
    this.#ended = new KeyedList(byId('ended'), endedItem)
  }

  running(count: number, shown: readonly TaskInfo[]): void {
    this.#running.show(shown.map((task) => [task.pid, task]))
    this.#none.hidden = count > 0 && count === shown.length
    setText(this.#none, count === 0 ? 'Nothing runs.' : `${count - shown.length} more run.`)
  }

  ended(tasks: readonly TaskInfo[]): void {
    this.#endedTitle.hidden = tasks.length === 0
    this.#ended.show(tasks.map((task) => [task.pid, task]))
  }
}

function runningItem(end: ((task: TaskInfo) => void) | undefined) {
  const what = make('span', { class: 'what' })
  const bar = makeBar()
  const progress = make('span', { class: 'progress' })
  const button = make('button', { type: 'button' }, 'End')
  const rate = new Rate()
  const element = make('li', {}, what, ...(end === undefined ? [] : [button]), bar, progress)
  let now: TaskInfo | undefined
  button.addEventListener('click', () => {
    if (now !== undefined) end?.(now)
  })
  const update = (task: TaskInfo): void => {
    now = task
    const title = titleOf(task)
    setText(what, title)
    button.setAttribute('aria-label', `End ${title}`)
    button.disabled = task.status !== 'running'
    bar.hidden = task.total_changes === 0
    setBar(bar, task.progress / 100)
    setText(progress, progressText(task, rate.add(task.docs_written ?? task.changes_done)))
  }
  return { element, update }
}

function endedItem() {
  const element = make('li')
  const update = (task: TaskInfo): void => {
    const error = task.error === undefined ? '' : `: ${task.error}`
    setText(element, `${titleOf(task)} – ${task.status}${error}`)
    element.classList.toggle('failed', task.status === 'failed')
  }
  return { element, update }
}
