/**
 * What users install: packed from a copy of the sources that was never built, installed into an empty folder, run,
 * and loaded from ES modules, CommonJS and TypeScript; with the other releases of Node too, where npx can get them.
 */
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { findStrace, ToolMissing } from '../src/lab/syscalls/find-strace.ts'
import { makeClone, outsideFolder, REPOSITORY } from './support/clone.ts'

t.setTimeout(600_000)

const OTHER_NODES = ['20', '22', '24']
const NO_REGISTRY = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED/

interface Result {
  readonly failed: boolean
  readonly out: string
  readonly err: string
}

function run(program: string, args: readonly string[], cwd: string): Promise<Result> {
  return new Promise((resolve) => {
    execFile(program, args, { cwd, maxBuffer: 2 ** 26 }, (error, out, err) => {
      resolve({ failed: error !== null, out, err })
    })
  })
}

/** What packing a clone gives: the file's path, and the paths in it. */
async function pack(t: Test, folder: string): Promise<{ file: string; paths: string[] }> {
  const clone = join(folder, 'clone')
  makeClone(clone)
  const { failed, out, err } = await run('npm', ['pack', '--json', '--pack-destination', folder], clone)
  if (failed) throw new Error(`npm pack: ${err}`)
  // What the scripts print may stand before it.
  const [{ filename, files }] = JSON.parse(out.slice(out.indexOf('[\n')))
  t.ok(readdirSync(join(clone, 'dist')).includes('src'), 'packing builds')
  return { file: join(folder, filename), paths: files.map(({ path }: { path: string }) => path) }
}

const LOADS: Record<string, string> = {
  'load.mjs': `
    import { openStore, StorageError } from 'davenport-db/btree'
    import { startServer } from 'davenport-db'
    import { defineStore } from 'davenport-db/lab'
    import manifest from 'davenport-db/package.json' with { type: 'json' }
    import { use } from './use.cjs'
    await use({ openStore, StorageError, startServer, defineStore, manifest }, 'esm')`,
  'load.cjs': `
    const { openStore, StorageError } = require('davenport-db/btree')
    const { startServer } = require('davenport-db')
    const { defineStore } = require('davenport-db/lab')
    const manifest = require('davenport-db/package.json')
    import('davenport-db/btree').then((esm) => {
      if (esm.openStore !== openStore) throw new Error('the engine was loaded twice')
      return require('./use.cjs').use({ openStore, StorageError, startServer, defineStore, manifest }, 'cjs')
    })`,
  'use.cjs': `
    exports.use = async ({ openStore, StorageError, startServer, defineStore, manifest }, name) => {
      if (defineStore(manifest) !== manifest) throw new Error('a store is not given back')
      const store = await openStore(name + '.nfb', { trees: { words: {} } })
      await store.transact((tx) => tx.put('words', Buffer.from('one'), Buffer.from('1')))
      if (store.get('words', Buffer.from('one')).toString() !== '1') throw new Error('not stored')
      await store.close()
      await openStore('missing', { create: false }).then(
        () => { throw new Error('opened') },
        (error) => { if (!(error instanceof StorageError)) throw error })
      const server = await startServer({ dataDir: name, port: 0, admins: ['ann:secret'] })
      const { couchdb, vendor } = await (await fetch(server.url)).json()
      if (couchdb !== 'Welcome') throw new Error('no welcome')
      if (server.generatedAdmin !== undefined) throw new Error('an administrator was made')
      await server.stop()
      process.stdout.write(manifest.name + ' ' + manifest.version)
    }`,
}

/** A store that somebody writes against the installed package: the one of the documents, with its syncs left out. */
const HASTY = `
  import { defineStore } from 'davenport-db/lab'
  import right from './file-log.mjs'
  export default defineStore({
    ...right,
    name: 'hasty',
    open(folder) {
      const log = right.open(folder)
      const commit = log.commit.bind(log)
      return Object.assign(log, { commit: (operations) => commit(operations, { durable: false }) })
    },
  })`

const TYPED = `
  import { openStore, PageCache, StorageError, type Store } from 'davenport-db/btree'
  import { startServer, type RunningServer, type StartOptions } from 'davenport-db'
  import { defineStore, type OpenedStore, type Store as LabStore } from 'davenport-db/lab'
  export function adapter(opened: OpenedStore, { capabilities }: LabStore): LabStore {
    return defineStore({ name: 'mine', capabilities, open: () => opened })
  }
  export async function use(options: StartOptions): Promise<Buffer | undefined> {
    const server: RunningServer = await startServer(options)
    const url: string = server.url
    await server.stop(1000)
    const cache: PageCache = new PageCache(1e6)
    const store: Store = await openStore(url, { cache, trees: { words: {} } })
    try {
      return store.get('words', Buffer.from('one'))
    } catch (error) {
      if (error instanceof StorageError && error.code === 'DAMAGED') return undefined
      // @ts-expect-error: there is no such code
      if (error instanceof StorageError && error.code === 'NO_SUCH_CODE') return undefined
      throw error
    }
  }`

/** The modules, with how they are resolved, that the types are compiled for, and the files that are. */
const COMPILATIONS: [module: string, resolution: string, files: string[]][] = [
  ['esnext', 'bundler', ['typed.mts']],
  ['node16', 'node16', ['typed.mts', 'typed.cts']],
  ['nodenext', 'nodenext', ['typed.mts', 'typed.cts']],
]

async function runsWith(t: Test, node: string, folder: string): Promise<void> {
  const manifest = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8'))
  const { version: release } = process
  const about = node === process.execPath ? release : node
  for (const script of ['load.mjs', 'load.cjs']) {
    const { out, err } = await run(node, [script], folder)
    t.equal(out, `davenport-db ${manifest.version}`, `${script}, ${about}: ${err}`)
    if (script === 'load.cjs') t.equal(err, '', 'and no warning')
  }
  const program = join(folder, 'node_modules', '.bin', 'davenport')
  t.equal((await run(node, [program, '--version'], folder)).out, `${manifest.version}\n`)
  const checked = await run(node, [program, 'check', 'cjs.nfb'], folder)
  t.match(checked.out, /cjs\.nfb: sound/)
  const held = await run(node, [program, 'lab', 'check', '--store', './file-log.mjs'], folder)
  t.match(
    held.out,
    /^file-log\n[\s\S]*the adapter does what it promises/,
    `the lab takes an adapter: ${held.err}`,
  )
}

/** The lab breaks a store that leaves its syncs out, and leaves the right one whole. */
async function labBreaks(t: Test, folder: string): Promise<void> {
  const program = join(folder, 'node_modules', '.bin', 'davenport')
  const lab = (...words: string[]) => run(process.execPath, [program, 'lab', ...words], folder)
  const fuzz = (...words: string[]) => lab('fuzz', '--seed', '1', ...words)
  const bench = ['--workload', 'load-random', '--records', '200', '--rounds', '1']
  const measured = await lab('bench', '--store', './file-log.mjs', ...bench)
  t.match(measured.out, /\n {2}file-log +\d/, `a store is measured: ${measured.err}`)
  const killed = await fuzz('--store', './hasty.mjs', '--lives', '2')
  t.match(killed.out, /kills: \d[\s\S]*nothing was found/, `a kill shows nothing of syncs: ${killed.err}`)
  try {
    findStrace()
  } catch (error) {
    if (!(error instanceof ToolMissing)) throw error
    t.comment(error.message)
    return
  }
  const cuts = ['--depth', '2', '--commits', '6', '--states', '12']
  const found = await fuzz('--store', './hasty.mjs', '--first', ...cuts)
  t.match(found.out, /FOUND acknowledged write lost/, `a power cut does: ${found.err}`)
  const again = await lab('replay', /davenport-lab\/\S*\.json/.exec(found.out)?.[0] ?? '')
  t.match(again.out, /now: acknowledged write lost/, `and again: ${again.err}`)
}

/** The program of a release of Node; undefined when it cannot be had. */
async function nodeOf(release: string, folder: string): Promise<string | undefined> {
  const args = ['-y', '--prefer-offline', '-p', `node@${release}`, 'node', '-p', 'process.execPath']
  const { failed, out } = await run('npx', args, folder)
  return failed ? undefined : out.trim()
}

t.test('the package', async (t) => {
  const folder = outsideFolder(t)
  const { file, paths } = await pack(t, folder)

  await t.test('holds the program, and of the sources what their maps say', async (t) => {
    for (const path of [
      'dist/src/cli/main.js',
      'dist/native-free-btree/index.d.cts',
      'README.md',
      'LICENSE',
    ]) {
      t.ok(paths.includes(path), path)
    }
    t.same(
      paths.filter((path) => /^dist\/(?!src\/|native-free-btree\/|web\/)/.test(path)),
      [],
      'nothing of tests, benchmarks and fuzzer',
    )
    const maps = paths.filter((path) => path.endsWith('.js.map'))
    t.ok(maps.length > 100)
    const without = maps.filter((path) => {
      const { sources, sourcesContent } = JSON.parse(readFileSync(join(folder, 'clone', path), 'utf8'))
      return sourcesContent?.length !== sources.length
    })
    t.same(without, [], 'every map has its source')
  })

  const home = join(folder, 'home')
  mkdirSync(home)
  writeFileSync(join(home, 'package.json'), '{"private":true}')
  const installed = await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', file], home)
  if (installed.failed && NO_REGISTRY.test(installed.err)) {
    t.comment('there is no registry: nothing was installed')
    return
  }
  t.notOk(installed.failed, installed.err)
  t.notMatch(installed.err, /EBADENGINE|deprecated/, 'without a warning')
  for (const [name, text] of Object.entries(LOADS)) writeFileSync(join(home, name), text)
  cpSync(
    join(home, 'node_modules', 'davenport-db', 'docs', 'lab', 'file-log.mjs'),
    join(home, 'file-log.mjs'),
  )
  writeFileSync(join(home, 'hasty.mjs'), HASTY)

  await t.test('runs', async (t) => {
    await runsWith(t, process.execPath, home)
    for (const release of OTHER_NODES) {
      const node = await nodeOf(release, folder)
      if (node === undefined) t.comment(`there is no Node ${release} to be had`)
      else await runsWith(t, node, home)
    }
  })

  await t.test('has the whole lab', (t) => labBreaks(t, home))

  await t.test('has its types', async (t) => {
    const compiler = join(REPOSITORY, 'node_modules', 'typescript', 'bin', 'tsc')
    for (const [module, resolution, files] of COMPILATIONS) {
      for (const name of files) writeFileSync(join(home, name), TYPED)
      const settings = [
        '--module',
        module,
        '--moduleResolution',
        resolution,
        '--target',
        'es2022',
        '--strict',
      ]
      const args = [compiler, ...settings, '--skipLibCheck', 'false', '--noEmit', ...files]
      const { failed, out } = await run(process.execPath, args, home)
      t.notOk(failed, `${files}, ${resolution}: ${out}`)
    }
  })
})
