/**
 * The dashboard. One stream of events feeds it while the page is seen; what somebody does goes to the routes that are there
 * for everybody.
 */
import { Databases } from './databases.ts'
import { byId, setText } from './elements.ts'
import type { FileMap } from './file-map.ts'
import { durationText } from './format.ts'
import type { DatabaseRow, Sections, TaskInfo } from './sections.ts'
import { ask, currentSession, type Session, send, signIn, signOut } from './session.ts'
import { RequestTables } from './tables.ts'
import { Tasks } from './tasks.ts'
import { followTheme } from './theme.ts'
import { Tiles } from './tiles.ts'

/** A session that is asked after is prolonged. */
const SESSION_EVERY_MS = 2 * 60 * 1000
/** A page that nobody has seen for so long lets go of the stream. */
const UNSEEN_MS = 10_000
const TOLD_MS = 6000
const RETRY_MS = 3000
const OF_A_DATABASE = 'db:'

const state = byId('state')
const told = byId('told')
const form = byId<HTMLFormElement>('sign-in')
const figures = byId('figures')
let stream: EventSource | undefined
let view: View | undefined
let startedMs: number | undefined
let version = ''

interface View {
  readonly isAdmin: boolean
  readonly tiles: Tiles
  readonly tables: RequestTables
  readonly tasks: Tasks
  readonly databases: Databases
}

function setState(name: 'waiting' | 'live' | 'lost', text: string): void {
  state.dataset['state'] = name
  setText(state, text)
}

let toldTimer = 0
function tell(text: string): void {
  setText(told, text)
  clearTimeout(toldTimer)
  toldTimer = setTimeout(() => setText(told, ''), TOLD_MS)
}

async function act(done: string, method: string, path: string): Promise<void> {
  const wrong = await send(method, path, method === 'POST' ? {} : undefined)
  tell(wrong ?? done)
}

async function fetchMap(name: string): Promise<FileMap | undefined> {
  const answer = await ask<FileMap>(`map?db=${encodeURIComponent(name)}`)
  if (typeof answer !== 'string') return answer
  tell(answer)
  return undefined
}

/** What is drawn depends on what its user may do. */
function viewFor({ isAdmin }: Session): View {
  if (view?.isAdmin === isAdmin) return view
  // A page that another user leaves behind is not taken over.
  if (view !== undefined) location.reload()
  const end = (task: TaskInfo): void =>
    void act('It is asked to end.', 'DELETE', `../_active_tasks/${encodeURIComponent(task.pid)}`)
  const compact = (name: string): void =>
    void act(`The compaction of ${name} has begun.`, 'POST', `../${encodeURIComponent(name)}/_compact`)
  view = {
    isAdmin,
    tiles: new Tiles(),
    tables: new RequestTables(),
    tasks: new Tasks(isAdmin ? end : undefined),
    databases: new Databases(fetchMap, isAdmin ? compact : undefined),
  }
  return view
}

function show({ tiles, tables, tasks, databases }: View, sections: Sections): void {
  const { server, requests, storage, process, slow } = sections
  if (server !== undefined) {
    ;({ startedMs, version } = server)
    showServer()
  }
  if (requests !== undefined) {
    tiles.requests(requests)
    tables.kinds(requests)
  }
  if (storage !== undefined) tiles.storage(storage)
  if (process !== undefined) tiles.process(process)
  if (slow !== undefined) tables.slow(slow)
  if (sections.tasks !== undefined) tasks.running(sections.tasks.count, sections.tasks.shown)
  if (sections.ended !== undefined) tasks.ended(sections.ended)
  const rows = Object.keys(sections).filter((name) => name.startsWith(OF_A_DATABASE))
  if (sections.databases !== undefined) databases.list(sections.databases.count, sections.databases.shown)
  for (const name of rows as `db:${string}`[]) {
    databases.put(name.slice(OF_A_DATABASE.length), sections[name] as DatabaseRow)
  }
  if (sections.databases !== undefined || rows.length > 0) databases.draw()
}

function showServer(): void {
  if (startedMs === undefined) return
  setText(byId('server'), `${version} · up ${durationText((Date.now() - startedMs) / 1000)}`)
}

function disconnect(): void {
  stream?.close()
  stream = undefined
}

function connect(session: Session): void {
  disconnect()
  const current = viewFor(session)
  const events = new EventSource('events')
  stream = events
  events.addEventListener('open', () => setState('live', 'live'))
  events.addEventListener('message', ({ data }) => show(current, JSON.parse(data as string) as Sections))
  events.addEventListener('error', () => {
    if (stream !== events) return
    setState('lost', 'not connected')
    // It comes back by itself, unless it was refused.
    if (events.readyState !== EventSource.CLOSED) return
    disconnect()
    setTimeout(() => void begin(), RETRY_MS)
  })
}

/** Shows the figures to who may see them, and everybody else where to sign in. */
async function begin(): Promise<void> {
  let session: Session
  try {
    session = await currentSession()
  } catch {
    setState('lost', 'not connected')
    setTimeout(() => void begin(), RETRY_MS)
    return
  }
  form.hidden = session.mayLook
  figures.hidden = !session.mayLook
  byId('sign-out').hidden = session.name === null
  if (session.mayLook) {
    setState('waiting', 'connecting')
    connect(session)
    return
  }
  setState('waiting', 'not signed in')
  if (session.name !== null) {
    setText(byId('sign-in-error'), `${session.name} may not read the figures of this server.`)
  }
  byId('name').focus()
}

form.addEventListener('submit', (event) => {
  event.preventDefault()
  const data = new FormData(form)
  void signIn(String(data.get('name')), String(data.get('password'))).then((wrong) => {
    setText(byId('sign-in-error'), wrong ?? '')
    if (wrong !== undefined) return
    byId<HTMLInputElement>('password').value = ''
    byId('content').focus()
    return begin()
  })
})

byId('sign-out').addEventListener('click', () => {
  disconnect()
  void signOut().then(() => location.reload())
})

let unseenTimer = 0
document.addEventListener('visibilitychange', () => {
  clearTimeout(unseenTimer)
  if (document.hidden) unseenTimer = setTimeout(disconnect, UNSEEN_MS)
  else if (stream === undefined && form.hidden) void begin()
})
setInterval(() => {
  if (stream !== undefined) void currentSession().catch(() => undefined)
}, SESSION_EVERY_MS)
setInterval(showServer, 10_000)

// Who has no mouse scrolls a table that is wider than the page by the keyboard.
for (const region of document.querySelectorAll<HTMLElement>('.scroll')) region.tabIndex = 0
followTheme()
void begin()
