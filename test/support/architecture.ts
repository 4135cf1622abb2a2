/**
 * Who may import whom, as a function over the sources, so that the rules themselves can be tested.
 *
 * - Rooms import only what stands to their left, and no file is imported in a circle.
 * - `native-free-btree` imports itself and node: builtins. Others come in by its index.ts alone;
 *   tests and the fuzzer may open its inner files.
 * - `test`, `bench` and `fuzz` may import everything else, and nothing that ships imports them.
 * - What ships imports no package that is not among the dependencies.
 * - Time and randomness are passed in: only src/base and the engine's system.ts read them, and what runs in the sandbox,
 *   whose functions may.
 * - msgpackr's main entry loads a native addon: one file imports it, by 'msgpackr/pack'.
 */
import { dirname, join } from 'node:path/posix'
import { importsOf, textOnly } from './source-text.ts'

/**
 * From the left to the right: folders, and files that stand in none of them. The longest that a path begins with is its
 * room. Within a room files may import each other.
 */
export const ROOMS = [
  'native-free-btree/errors.ts',
  'native-free-btree/format.ts',
  'native-free-btree/clock.ts',
  'native-free-btree/inspection.ts',
  'native-free-btree/api.ts',
  'native-free-btree/arguments.ts',
  'native-free-btree/callbacks.ts',
  'native-free-btree/disk',
  'native-free-btree/lock',
  'native-free-btree/page',
  'native-free-btree/cache',
  'native-free-btree/values',
  'native-free-btree/tree',
  'native-free-btree/log',
  'native-free-btree/write',
  'native-free-btree/store',
  'native-free-btree/follow',
  'native-free-btree/copy',
  'native-free-btree/index.ts',
  'src/base',
  'src/lab',
  'src/web',
  'src/json',
  'src/config',
  'src/selector',
  'src/database/errors',
  'src/database/revisions',
  'src/database/layout',
  'src/database/bodies',
  'src/database/attachments',
  'src/database/api',
  'src/database/read',
  'src/database/write',
  'src/database/compaction',
  'src/database/reading-database.ts',
  'src/database/database.ts',
  'src/database/open.ts',
  'src/database/shared',
  'src/documents',
  'src/scripting',
  'src/statistics',
  'src/workers',
  'src/auth',
  'src/users',
  'src/design',
  'src/channels',
  'src/replication/api.ts',
  'src/replication/job-parser.ts',
  'src/replicator/documents',
  'src/writing',
  'src/indexes/api.ts',
  'src/indexes/keys',
  'src/indexes/reduce',
  'src/indexes',
  'src/views',
  'src/mango',
  'src/replication',
  'src/server',
  'src/replicator',
  'src/http/answer',
  'src/http/request',
  'src/http/feeds',
  'src/http/pages',
  'src/http/routes/resource.ts',
  'src/http/openapi',
  'src/http/routes/document',
  'src/http/routes/database',
  'src/http/routes/design',
  'src/http/routes/server',
  'src/http/routes/index.ts',
  'src/http/listen',
  'src/threads',
  'src/gateway',
  'src/cli',
]

const ENGINE = 'native-free-btree'
const OUTSIDE = ['test', 'bench', 'fuzz']
const MAY_OPEN_ENGINE = [ENGINE, 'test', 'fuzz']
const MAY_READ_TIME = ['src/base/', 'native-free-btree/disk/system.ts', 'src/scripting/prelude/']
const TIME_OR_RANDOMNESS =
  /\b(?:Date\s*\.\s*now|Math\s*\.\s*random)\b|\bnew\s+Date\b(?!\s*\(\s*[^\s)])|(?<!\bnew\s+)\bDate\(\s*\)/

/** Returns one line for each breach. `sources` by path from the root, with '/'. */
export function breaches(sources: ReadonlyMap<string, string>, dependencies: readonly string[]): string[] {
  const found: string[] = []
  const graph = new Map<string, string[]>()
  const codecs: string[] = []
  for (const [path, source] of sources) {
    if (roomOf(path) === undefined && !OUTSIDE.includes(topOf(path))) found.push(`${path} is in no room`)
    const files: string[] = []
    for (const { specifier } of importsOf(source)) {
      if (specifier.startsWith('.')) {
        const target = join(dirname(path), specifier).replace(/\.js$/, '.ts')
        files.push(target)
        found.push(...fileBreaches(path, target))
      } else {
        found.push(...packageBreaches(path, specifier, dependencies))
        if (packageOf(specifier) === 'msgpackr') codecs.push(path)
      }
    }
    graph.set(path, files)
    found.push(...timeBreaches(path, source))
  }
  if (codecs.length > 1) found.push(`msgpackr is imported by more than one file: ${codecs.join(', ')}`)
  return [...found, ...circles(graph)]
}

/** Undefined for a file in none. */
function roomOf(path: string): string | undefined {
  const holds = (room: string): boolean => path === room || path.startsWith(`${room}/`)
  return ROOMS.filter(holds).sort((a, b) => b.length - a.length)[0]
}

function topOf(path: string): string {
  return path.split('/', 1)[0] ?? ''
}

function packageOf(specifier: string): string {
  const parts = specifier.split('/')
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '')
}

function fileBreaches(path: string, target: string): string[] {
  const from = topOf(path)
  if (topOf(target) === ENGINE && !MAY_OPEN_ENGINE.includes(from) && target !== `${ENGINE}/index.ts`) {
    return [`${path} imports ${target}, not ${ENGINE}/index.ts`]
  }
  if (OUTSIDE.includes(from)) return []
  const rank = ROOMS.indexOf(roomOf(target) ?? '')
  if (rank >= 0 && rank <= ROOMS.indexOf(roomOf(path) ?? '')) return []
  return [`${path} imports ${target}, which is not to its left`]
}

function packageBreaches(path: string, specifier: string, dependencies: readonly string[]): string[] {
  const top = topOf(path)
  const name = packageOf(specifier)
  if (name === 'msgpackr' && specifier !== 'msgpackr/pack') {
    return [`${path} imports ${specifier}, not msgpackr/pack`]
  }
  if (specifier.startsWith('node:') || OUTSIDE.includes(top)) return []
  const allowed = top === ENGINE ? [] : dependencies
  return allowed.includes(name) ? [] : [`${path} imports ${specifier}, which is not among its packages`]
}

function timeBreaches(path: string, source: string): string[] {
  if (MAY_READ_TIME.some((place) => path.startsWith(place))) return []
  const match = TIME_OR_RANDOMNESS.exec(textOnly(source, 'code'))
  return match === null ? [] : [`${path} reads time or randomness by itself: ${match[0]}`]
}

/** Circles of imports, type imports among them, each told once. */
function circles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = []
  const done = new Set<string>()
  const trail: string[] = []
  const visit = (path: string) => {
    const start = trail.indexOf(path)
    if (start >= 0) found.push(`circle: ${[...trail.slice(start), path].join(' > ')}`)
    if (start >= 0 || done.has(path)) return
    trail.push(path)
    for (const target of graph.get(path) ?? []) visit(target)
    trail.pop()
    done.add(path)
  }
  for (const path of graph.keys()) visit(path)
  return found
}
