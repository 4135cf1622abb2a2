/**
 * `npm test`, a second `npm start` and others emptied dist/ before they built, under a server that ran from it: its
 * next compaction failed, since a thread loads its modules when it is first needed.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { startChild } from '../support/child.ts'
import { makeClone, outsideFolder } from '../support/clone.ts'

t.setTimeout(300_000)

t.test('a server goes on while what it runs from is built anew', async (t) => {
  const root = join(outsideFolder(t), 'clone')
  // Little to compile: the program, and a test of one line.
  makeClone(root, ['bench', 'fuzz', 'test'])
  for (const folder of ['bench', 'fuzz', 'test']) mkdirSync(join(root, folder))
  const source = (path: string) => join(root, path)
  const output = (path: string) => join(root, 'dist', path)
  writeFileSync(source('test/old.test.ts'), 'export {}\n')
  writeFileSync(source('src/base/old.ts'), 'export {}\n')
  const build = () => promisify(execFile)(process.execPath, ['build.js'], { cwd: root })
  await build()
  t.ok(existsSync(output('test/old.test.js')))

  const dataDir = join(root, 'data')
  const args = ['serve', '--port', '0', '--data-dir', dataDir, '--admin', 'ann:secret']
  const program = pathToFileURL(output('src/cli/main.js')).href
  const server = startChild(program, args, { DAVENPORT_CHTTPD_AUTH__ITERATIONS: '2' })
  t.teardown(() => server.process.kill('SIGKILL'))
  const [, url] = await server.until(/listening on (http:\/\/127\.0\.0\.1:\d+)\//)
  const ask = async (method: string, path: string) => {
    const authorization = `Basic ${Buffer.from('ann:secret').toString('base64')}`
    const headers = { authorization, 'content-type': 'application/json' }
    const body = method === 'POST' ? '{"docs":[{"a":1}]}' : undefined
    return (await fetch(`${url}${path}`, { method, headers, ...(body && { body }) })).json()
  }
  await ask('PUT', '/a')
  await ask('POST', '/a/_bulk_docs')

  const untouched = statSync(output('src/base/version.js')).ino
  const stamped = statSync(output('.stamp.json')).ino
  await build()
  t.equal(statSync(output('.stamp.json')).ino, stamped, 'nothing is built for nothing')
  writeFileSync(source('src/base/added.ts'), 'export const added = 1\n')
  const worker = source('src/workers/compaction-worker.ts')
  writeFileSync(worker, `import '../base/added.ts'\n${readFileSync(worker, 'utf8')}`)
  rmSync(source('test/old.test.ts'))
  rmSync(source('src/base/old.ts'))
  await Promise.all([build(), build()])
  await build()

  t.match(readFileSync(output('src/workers/compaction-worker.js'), 'utf8'), /added\.js/)
  t.equal(statSync(output('src/base/version.js')).ino, untouched, 'what is the same is not replaced')
  t.notOk(existsSync(output('test/old.test.js')), 'a test without a source is not there to be run')
  t.ok(existsSync(output('src/base/old.js')), 'a module of the program is')
  t.same(
    readdirSync(root).filter((name) => name.startsWith('.aside-')),
    [],
    'nothing is left aside',
  )

  await ask('POST', '/a/_compact')
  let tasks: { status: string }[] = []
  while (tasks.length === 0 || tasks[0]?.status === 'running') {
    await new Promise((resolve) => setTimeout(resolve, 50))
    tasks = (await ask('GET', '/_active_tasks?history=true')) as { status: string }[]
  }
  t.match(tasks, [{ type: 'database_compaction', status: 'completed' }])
})

t.test('sources that make no program leave what was built before', async (t) => {
  const root = join(outsideFolder(t), 'clone')
  makeClone(root, ['bench', 'fuzz', 'test', 'src'])
  for (const folder of ['bench', 'fuzz', 'test', 'src/cli', 'src/lab'])
    mkdirSync(join(root, folder), { recursive: true })
  writeFileSync(join(root, 'src/lab/index.ts'), 'export {}\n')
  writeFileSync(join(root, 'src/cli/start-server.ts'), 'export const a: number = 1\n')
  const build = () => promisify(execFile)(process.execPath, ['build.js'], { cwd: root })
  await build()
  writeFileSync(join(root, 'src/cli/start-server.ts'), 'export const a: number = "text"\n')
  await t.rejects(build(), { code: 2 })
  t.match(readFileSync(join(root, 'dist/src/cli/start-server.js'), 'utf8'), /a = 1/)
})
