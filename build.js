/**
 * Builds `dist/`: `node build.js [--pack]`. Plain JavaScript beside tsconfig.json, because it runs before anything is
 * compiled.
 *
 * A server that runs from `dist/` loads modules late (its worker threads do), so nothing that it may need goes away:
 * - Nothing is built when the sources, the compiler and `dist/` are those of the last build.
 * - The compiler writes to a folder beside it. Then each file whose bytes differ is renamed over the one before; new
 *   files come first, since changed ones may import them.
 * - Of what no source makes any more, tests, benchmarks and fuzzer go, so that no old test is run. Modules of the
 *   program stay: one that was started before may still load them. `--pack` removes them too, and installs the
 *   compiler when it is missing: a package holds what its sources make, and nothing else.
 *
 * Besides it gets `dist/web/`, what browsers load: pages of our own, compiled from `web/`, and those of others, which are
 * fetched meanwhile and which no build needs (web-packages.js). `--fetch` tries that again at once.
 *
 * Two builds at a time are safe without a lock: each has a folder of its own, and a rename is whole. The stamp names
 * every output with its time and number, so whatever another build put in between makes the next build run.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { fetchWebPackages } from './web-packages.js'

const ROOT = dirname(fileURLToPath(import.meta.url))
const OUT = join(ROOT, 'dist')
const STAMP = '.stamp.json'
/** Beside `dist/`, as deep as it: source maps name their sources by relative paths. */
const ASIDE = '.aside-'
const SOURCE_FOLDERS = ['native-free-btree', 'src', 'bench', 'fuzz', 'test']
/** Outputs that a running server may load. */
const OF_THE_PROGRAM = /^(native-free-btree|src|web)\//
/** What is fetched, and is no output. */
const FETCHED = /^web\/(?!(?:api|dashboard)\/)/
/** Where browsers' programs are, which have other types than Node's, and what of it is copied as it is. */
const WEB = 'web'
const COPIED = /\.(html|css|svg)$/
/** A folder aside that is older belongs to a build that was killed. */
const ABANDONED_MS = 60 * 60 * 1000
/** Sources that change while they are compiled are compiled again, so many times at most. */
const ATTEMPTS = 5
/** The modules that `exports` names in package.json. */
const DOORS = ['native-free-btree/index', 'src/cli/start-server', 'src/lab/index']

/** Every file below `folder`, as paths relative to it, sorted. */
function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name)).replaceAll('\\', '/'))
    .sort()
}

/** A hash of all that decides what a build makes. */
function digestOfSources(compiler) {
  const hash = createHash('sha256')
  const add = (path) =>
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(ROOT, path)))
      .update('\0')
  hash.update(`${compiler.version}\0`)
  for (const path of ['build.js', 'package.json', 'tsconfig.json']) add(path)
  for (const folder of SOURCE_FOLDERS) {
    for (const name of filesBelow(join(ROOT, folder))) if (name.endsWith('.ts')) add(`${folder}/${name}`)
  }
  for (const name of filesBelow(join(ROOT, WEB))) add(`${WEB}/${name}`)
  return hash.digest('hex')
}

/** What tells an output from another that took its name: undefined when there is none. */
function identityOf(path) {
  const found = statSync(join(OUT, path), { throwIfNoEntry: false })
  return found && `${found.ino} ${found.size} ${found.mtimeMs}`
}

function isUpToDate(digest) {
  let stamp
  try {
    stamp = JSON.parse(readFileSync(join(OUT, STAMP), 'utf8'))
  } catch {
    return false
  }
  if (stamp.digest !== digest) return false
  return Object.entries(stamp.outputs).every(([path, identity]) => identityOf(path) === identity)
}

/** The installed compiler; undefined when there is none. */
function findCompiler() {
  const manifest = join(ROOT, 'node_modules', 'typescript', 'package.json')
  if (!existsSync(manifest)) return undefined
  const { version, bin } = JSON.parse(readFileSync(manifest, 'utf8'))
  return { version, program: join(dirname(manifest), bin.tsc) }
}

/** Runs a program; what it prints goes to standard error, since `npm pack --json` has standard output. */
function run(program, args) {
  const { status, error } = spawnSync(program, args, { cwd: ROOT, stdio: ['ignore', 2, 2] })
  if (error) throw error
  if (status !== 0) process.exit(status ?? 1)
}

function removeAbandoned(nowMs) {
  for (const name of readdirSync(ROOT).filter((each) => each.startsWith(ASIDE))) {
    const folder = join(ROOT, name)
    const found = statSync(folder, { throwIfNoEntry: false })
    if (found && nowMs - found.mtimeMs > ABANDONED_MS) rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * `require` gets a door of its own, with its types: a file of types for CommonJS may name an ES module only by
 * `resolution-mode`. Both doors lead to the same modules, so there is one cache and one class of each error.
 */
async function writeCommonJsDoor(aside, door) {
  const name = door.slice(door.lastIndexOf('/') + 1)
  const exports = await import(pathToFileURL(join(aside, `${door}.js`)).href)
  const mode = `{ with: { 'resolution-mode': 'import' } }`
  const types = [`export type * from './${name}.js' with { 'resolution-mode': 'import' }`]
  for (const [key, value] of Object.entries(exports)) {
    types.push(`export declare const ${key}: typeof import('./${name}.js', ${mode}).${key}`)
    const isClass = typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value))
    if (isClass) types.push(`export type ${key} = import('./${name}.js', ${mode}).${key}`)
  }
  writeFileSync(join(aside, `${door}.cjs`), `module.exports = require('./${name}.js')\n`)
  writeFileSync(join(aside, `${door}.d.cts`), `${types.join('\n')}\n`)
}

/** Compiles to a new folder and returns it, with the digest of exactly the sources that were compiled. */
async function compileAside(compiler) {
  for (let attempt = 1; ; attempt++) {
    const digest = digestOfSources(compiler)
    const aside = mkdtempSync(join(ROOT, ASIDE))
    process.on('exit', () => rmSync(aside, { recursive: true, force: true }))
    run(process.execPath, [compiler.program, '-p', WEB, '--outDir', aside])
    run(process.execPath, [compiler.program, '-p', 'tsconfig.json', '--outDir', aside])
    cpSync(join(ROOT, WEB), join(aside, WEB), {
      recursive: true,
      filter: (path) => statSync(path).isDirectory() || COPIED.test(path),
    })
    for (const door of DOORS) await writeCommonJsDoor(aside, door)
    if (digestOfSources(compiler) === digest || attempt === ATTEMPTS) return { aside, digest }
  }
}

/** Gives `dist/` what was compiled aside. Returns the outputs, each with its identity. */
function takeOver(aside, keepsProgram) {
  const made = filesBelow(aside)
  const isNew = (path) => !existsSync(join(OUT, path))
  const differs = (path) => !readFileSync(join(aside, path)).equals(readFileSync(join(OUT, path)))
  const added = made.filter(isNew)
  const changed = made.filter((path) => !isNew(path) && differs(path))
  for (const path of [...added, ...changed]) {
    mkdirSync(dirname(join(OUT, path)), { recursive: true })
    renameSync(join(aside, path), join(OUT, path))
  }
  const current = new Set(made)
  for (const path of filesBelow(OUT)) {
    if (current.has(path) || path === STAMP || FETCHED.test(path)) continue
    if (!keepsProgram || !OF_THE_PROGRAM.test(path)) rmSync(join(OUT, path), { force: true })
  }
  return Object.fromEntries(made.map((path) => [path, identityOf(path)]))
}

async function build(isPacking) {
  let compiler = findCompiler()
  if (compiler === undefined && isPacking) {
    run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'])
    compiler = findCompiler()
  }
  if (compiler === undefined) {
    process.stderr.write('the compiler is not installed: run npm install first\n')
    process.exit(1)
  }
  const isForced = isPacking || process.argv.includes('--fetch')
  const fetching = fetchWebPackages(join(OUT, WEB), isForced)
  if (isPacking || !isUpToDate(digestOfSources(compiler))) await make(compiler, isPacking)
  for (const failure of await fetching) process.stderr.write(`${failure}\n`)
}

async function make(compiler, isPacking) {
  mkdirSync(OUT, { recursive: true })
  removeAbandoned(Date.now())
  const { aside, digest } = await compileAside(compiler)
  const outputs = takeOver(aside, !isPacking)
  const stamp = join(aside, 'stamp.json')
  writeFileSync(stamp, JSON.stringify({ digest, outputs }))
  renameSync(stamp, join(OUT, STAMP))
}

await build(process.argv.includes('--pack'))
