/**
 * The README's sessions, as written: its start command is npm's `start` script, run here in an empty
 * folder of its own, and each line of its first session goes to a shell in that folder, then the one that lets a user in, and
 * the one that gets space back as a whole. Only the port is another.
 */
import { execFile, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { startChild } from '../support/child.ts'

const PORT = 5984

function repositoryRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder)
  return folder
}

/** The shell blocks of a text in Markdown, each as its lines. */
function shellBlocks(markdown: string): string[][] {
  return [...markdown.matchAll(/^```sh\n(.*?)^```$/gms)].map((match) => match[1]!.trim().split('\n'))
}

const root = repositoryRoot()
const blocks = shellBlocks(readFileSync(join(root, 'README.md'), 'utf8'))
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>
}
const session = blocks.find((lines) => lines.some((line) => line.startsWith('curl'))) ?? []
const requests = session.filter((line) => line.startsWith('curl'))
const assignments = session.filter((line) => !line.startsWith('curl'))

t.test('the command lines are there', async (t) => {
  t.same(blocks.slice(0, 2), [['npm install && npm start'], ['npm install && npm test']])
  t.equal(scripts['start'], 'node dist/src/cli/main.js serve')
  t.match(scripts['prestart'], /build/, 'of what is built just before')
  t.ok(requests.length >= 5)
  t.ok(assignments.length === 1 && assignments[0]!.includes(`127.0.0.1:${PORT}`))
})

const guests = blocks.find((lines) => lines.some((line) => line.includes('/_session'))) ?? []
const compaction = blocks.find((lines) => lines.some((line) => line.includes('/_compact'))) ?? []

const skip = spawnSync('curl', ['--version']).status === 0 ? false : 'there is no curl'

t.test('the session works', { skip }, async (t) => {
  const folder = t.testdir()
  const server = startChild('../../src/cli/main.js', ['serve', '--port', '0'], {}, { folder })
  t.teardown(() => server.process.kill('SIGKILL'))
  const [, port] = await server.until(/listening on http:\/\/127\.0\.0\.1:(\d+)\//)
  const setting = assignments.join('\n').replace(`:${PORT}`, `:${port}`)
  const answers = new Map<string, Record<string, unknown>>()
  for (const line of requests) {
    const script = `${setting}\n${line}`
    const { stdout } = await promisify(execFile)('/bin/sh', ['-c', script], { cwd: folder })
    const answer = JSON.parse(stdout) as Record<string, unknown>
    t.notOk('error' in answer, `${line}: ${stdout}`)
    answers.set(requestOf(line), answer)
  }
  const { db, id, body } = writtenBy(requests)
  const rev = answers.get(`PUT /${db}/${id}`)?.['rev'] as string
  const document = { _id: id, _rev: rev, ...body }
  t.match(rev, /^1-[0-9a-f]{32}$/)
  t.same(answers.get(`PUT /${db}`), { ok: true })
  t.same(answers.get(`PUT /${db}/${id}`), { ok: true, id, rev })
  t.same(answers.get(`GET /${db}/${id}`), document)
  t.same(answers.get(`GET /${db}/_all_docs?include_docs=true`), {
    total_rows: 1,
    offset: 0,
    rows: [{ id, key: id, value: { rev }, doc: document }],
  })
  const changes = answers.get(`GET /${db}/_changes`)!
  t.match(changes, { results: [{ id, changes: [{ rev }] }], pending: 0 })
  t.equal((changes['results'] as unknown[]).length, 1)
  await letsSomebodyIn(
    t,
    folder,
    [setting, ...guests].join('\n').replaceAll(`:${PORT}`, `:${port}`),
    document,
  )
  await getsSpaceBack(t, folder, setting, rev)
  server.process.kill('SIGTERM')
  t.equal(await server.ended, 0)
})

/** Plays the session of a user, who is refused, let in, and out again with another password. */
async function letsSomebodyIn(t: Test, folder: string, script: string, document: object): Promise<void> {
  const { stdout } = await promisify(execFile)('/bin/sh', ['-c', script], { cwd: folder })
  const answers = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown)
  t.match(answers, [
    { ok: true, id: 'org.couchdb.user:ann' },
    { ok: true, name: 'ann', roles: [] },
    { error: 'forbidden', reason: 'You are not allowed to access this db.' },
    { ok: true },
    document,
    { ok: true, id: 'org.couchdb.user:ann', rev: /^2-/ },
    { error: 'unauthorized', reason: 'You are not authorized to access this db.' },
    { ok: true, name: 'ann', roles: [] },
    { ok: true, userCtx: { name: 'ann', roles: [] }, info: { authenticated: 'cookie' } },
  ])
  t.equal(answers.length, 9)
}

/** Plays the session that rewrites what the first one wrote, compacts and watches. */
async function getsSpaceBack(t: Test, folder: string, setting: string, rev: string): Promise<void> {
  // Each answer is one line; the shell's last one may still say that it runs.
  const play = async (lines: readonly string[]): Promise<unknown[]> => {
    const script = [setting, ...lines].join('\n')
    const { stdout } = await promisify(execFile)('/bin/sh', ['-c', script], { cwd: folder })
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown)
  }
  const [before, dry, asked, running, first] = await play(compaction)
  const info = before as { sizes: { file: number }; update_seq: string }
  t.equal(Number.parseInt(info.update_seq, 10), 11 * 1001, 'written once and ten times again')
  const { freed } = (dry as { sizes: { freed: number } }).sizes
  t.same(asked, { ok: true })
  t.ok(Array.isArray(running))
  const shown = compaction.filter((line) => line.includes('history=true'))
  t.equal(shown.length, 1)
  let history = first
  while ((history as unknown[]).length === 0) [history] = await play(shown)
  t.match(history, [{ type: 'database_compaction', database: 'recipes', status: 'completed', progress: 100 }])
  const [after] = await play(compaction.filter((line) => line === 'curl $U/recipes'))
  const { sizes } = after as typeof info
  t.ok(sizes.file < info.sizes.file / 4, `${info.sizes.file} bytes, then ${sizes.file}`)
  const really = info.sizes.file - sizes.file
  t.ok(freed <= really && freed > 0.9 * really, `the dry run promised ${freed} bytes, ${really} came back`)
  const [document] = await play(['curl $U/recipes/spaghetti?revs=true'])
  const { _revisions } = document as { _revisions: { start: number; ids: string[] } }
  t.equal(_revisions.start, 11)
  t.equal(`1-${_revisions.ids.at(-1)}`, rev, 'the history is kept')
}

/** "METHOD /path" of a line of curl. */
function requestOf(line: string): string {
  const method = /-X\s+(\w+)/.exec(line)?.[1] ?? 'GET'
  return `${method} ${/\$U(\/[^\s"]*)/.exec(line)![1]}`
}

/** The document that the session writes. */
function writtenBy(lines: readonly string[]): { db: string; id: string; body: Record<string, unknown> } {
  const line = lines.find((each) => each.includes(' -d '))!
  const [, db, id] = /^PUT \/(\w+)\/(\w+)$/.exec(requestOf(line))!
  return { db: db!, id: id!, body: JSON.parse(/-d '([^']*)'/.exec(line)![1]!) as Record<string, unknown> }
}
