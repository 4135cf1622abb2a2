/**
 * Who may import whom, as a function over the sources, so that the rules themselves can be tested.
 *
 * - Layers import only what stands to their left, and no file is imported in a circle.
 * - `native-free-btree` imports itself and node: builtins. Others come in by its index.ts alone;
 *   tests and the fuzzer may open its inner files.
 * - `test`, `bench` and `fuzz` may import everything else, and nothing that ships imports them.
 * - What ships imports no package that is not among the dependencies.
 * - Time and randomness are passed in: only src/base and the engine's system.ts read them.
 * - msgpackr's main entry loads a native addon: one file imports it, by 'msgpackr/pack'.
 */
import { dirname, join } from 'node:path/posix'
import { importsOf, textOnly } from './source-text.ts'

export const LAYERS = [
  'native-free-btree',
  'src/base',
  'src/database',
  'src/scripting',
  'src/views',
  'src/query',
  'src/workers',
  'src/replicator',
  'src/auth',
  'src/server',
  'src/http',
  'src/cli',
]

const ENGINE = 'native-free-btree'
const OUTSIDE = ['test', 'bench', 'fuzz']
const MAY_OPEN_ENGINE = [ENGINE, 'test', 'fuzz']
const MAY_READ_TIME = ['src/base/', 'native-free-btree/system.ts']
const TIME_OR_RANDOMNESS =
  /\b(?:Date\s*\.\s*now|Math\s*\.\s*random)\b|\bnew\s+Date\b(?!\s*\(\s*[^\s)])|(?<!\bnew\s+)\bDate\(\s*\)/

/** Returns one line for each breach. `sources` by path from the root, with '/'. */
export function breaches(sources: ReadonlyMap<string, string>, dependencies: readonly string[]): string[] {
  const found: string[] = []
  const graph = new Map<string, string[]>()
  const codecs: string[] = []
  for (const [path, source] of sources) {
    const layer = layerOf(path)
    if (!LAYERS.includes(layer) && !OUTSIDE.includes(layer)) found.push(`${path} is in no known layer`)
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

/** The layer of a file, or its top folder if it is in none. */
function layerOf(path: string): string {
  const parts = path.split('/')
  return parts[0] === 'src' ? parts.slice(0, 2).join('/') : (parts[0] ?? '')
}

function packageOf(specifier: string): string {
  const parts = specifier.split('/')
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '')
}

function fileBreaches(path: string, target: string): string[] {
  const from = layerOf(path)
  const to = layerOf(target)
  if (to === ENGINE && !MAY_OPEN_ENGINE.includes(from) && target !== `${ENGINE}/index.ts`) {
    return [`${path} imports ${target}, not ${ENGINE}/index.ts`]
  }
  if (OUTSIDE.includes(from)) return []
  const rank = LAYERS.indexOf(to)
  if (rank >= 0 && rank <= LAYERS.indexOf(from)) return []
  return [`${path} imports ${target}, which is not to its left`]
}

function packageBreaches(path: string, specifier: string, dependencies: readonly string[]): string[] {
  const layer = layerOf(path)
  const name = packageOf(specifier)
  if (name === 'msgpackr' && specifier !== 'msgpackr/pack') {
    return [`${path} imports ${specifier}, not msgpackr/pack`]
  }
  if (specifier.startsWith('node:') || OUTSIDE.includes(layer)) return []
  const allowed = layer === ENGINE ? [] : dependencies
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
