import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { breaches, ROOMS } from './support/architecture.ts'
import { importsOf, textOnly } from './support/source-text.ts'

const ROOTS = ['native-free-btree', 'src', 'test', 'bench', 'fuzz']

function repositoryRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder)
  return folder
}

function sourcesBelow(root: string): Map<string, string> {
  const sources = new Map<string, string>()
  for (const top of ROOTS.filter((name) => existsSync(join(root, name)))) {
    for (const name of readdirSync(join(root, top), { recursive: true, encoding: 'utf8' }).sort()) {
      if (!name.endsWith('.ts') || name.endsWith('.d.ts') || name.includes('fixtures')) continue
      const path = join(top, name).replaceAll('\\', '/')
      sources.set(path, readFileSync(join(root, path), 'utf8'))
    }
  }
  return sources
}

t.test('this repository keeps its rules', async (t) => {
  const root = repositoryRoot()
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const sources = sourcesBelow(root)
  t.ok(sources.has('native-free-btree/disk/file-system.ts'), 'the sources were found')
  t.ok(sources.has('test/architecture.test.ts'))
  t.same(breaches(sources, Object.keys(manifest.dependencies)), [])
})

t.test('ARCHITECTURE.md has a row for each room, in their order', async (t) => {
  const text = readFileSync(join(repositoryRoot(), 'ARCHITECTURE.md'), 'utf8')
  const table = text.slice(text.indexOf('## Rooms'), text.indexOf('| where is'))
  const rows = [...table.matchAll(/^\| `([a-z]+)\/` /gm)].map(([, name]) => name)
  const folders = ROOMS.filter((room) => !/^[^/]+\/[^/]+\.ts$/.test(room)).map((room) => room.split('/')[1]!)
  // A folder whose rooms do not stand side by side has its row where the last of them stands.
  t.same(
    rows,
    folders.filter((name, at) => folders.lastIndexOf(name) === at),
  )
})

t.test('pages name no file that is not there', async (t) => {
  const root = repositoryRoot()
  const sources = [...sourcesBelow(root).keys(), 'build.js', 'web-packages.js']
  const isSource = (name: string): boolean =>
    sources.some((path) => path === name || path.endsWith(`/${name}`))
  let count = 0
  for (const page of [
    'ARCHITECTURE.md',
    'docs/PERFORMANCE.md',
    'docs/COSTS.md',
    'docs/FUZZING.md',
    'README.md',
  ]) {
    const text = readFileSync(join(root, page), 'utf8')
    const named = [...text.matchAll(/`([\w./-]+\.(?:ts|js))`/g)].map(([, name]) => name!)
    const linked = [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, path]) => path!)
    const results = [...text.matchAll(/`(?:bench\/results\/)?(\w+-[\d-]+\w*\.json)`/g)].map(
      ([, name]) => name!,
    )
    t.same(
      [
        ...named.filter((name) => !isSource(name)),
        ...linked.filter((path) => !existsSync(join(root, dirname(page), path))),
        ...results.filter((name) => !existsSync(join(root, 'bench/results', name))),
      ],
      [],
      page,
    )
    count += named.length + linked.length + results.length
  }
  t.ok(count > 150, `${count} were found`)
})

const CASES: [name: string, files: Record<string, string>, expected: RegExp | null][] = [
  ['to the left', { 'src/http/answer/a.ts': "import { x } from '../../base/b.ts'" }, null],
  ['to the right', { 'src/base/a.ts': "import { x } from '../http/answer/b.ts'" }, /not to its left/],
  [
    'a type to the right',
    { 'src/base/a.ts': "import type { X } from '../http/answer/b.ts'" },
    /not to its left/,
  ],
  [
    're-exported from the right',
    { 'src/base/a.ts': "export * from '../http/answer/b.ts'" },
    /not to its left/,
  ],
  [
    'over lines',
    { 'src/base/a.ts': "import {\n  x,\n  y,\n} from\n  '../http/answer/b.ts'" },
    /not to its left/,
  ],
  ['from one room of a folder to its left', { 'native-free-btree/log/a.ts': "import '../tree/b.ts'" }, null],
  ['and to its right', { 'native-free-btree/tree/a.ts': "import '../log/b.ts'" }, /not to its left/],
  ['dynamically', { 'src/base/a.ts': "await import('../http/answer/b.ts')" }, /not to its left/],
  ['for its effect', { 'src/base/a.ts': "import '../http/answer/b.ts'" }, /not to its left/],
  ['as a worker', { 'src/base/a.ts': "new URL('../http/answer/b.js', import.meta.url)" }, /not to its left/],
  [
    'in a comment',
    { 'src/base/a.ts': "// import '../http/answer/b.ts'\n/* import '../http/answer/b.ts' */" },
    null,
  ],
  ['in a string', { 'src/base/a.ts': 'const x = "import \'../http/answer/b.ts\'"' }, null],
  ['an unknown folder', { 'src/other/a.ts': '' }, /in no room/],
  ['the engine by its door', { 'src/base/a.ts': "import '../../native-free-btree/index.ts'" }, null],
  [
    'the engine by a window',
    { 'src/base/a.ts': "import '../../native-free-btree/tree/tree.ts'" },
    /not native.*index/,
  ],
  [
    'the same from a benchmark',
    { 'bench/a.ts': "import '../native-free-btree/tree/tree.ts'" },
    /not native.*index/,
  ],
  ['the same from a test', { 'test/a.ts': "import '../native-free-btree/tree/tree.ts'" }, null],
  ['the same from the fuzzer', { 'fuzz/a.ts': "import '../native-free-btree/tree/tree.ts'" }, null],
  ['the engine, itself', { 'native-free-btree/tree/a.ts': "import './b.ts'\nimport 'node:fs'" }, null],
  [
    'the engine, upwards',
    { 'native-free-btree/tree/a.ts': "import '../../src/base/b.ts'" },
    /not to its left/,
  ],
  ['the engine, a package', { 'native-free-btree/tree/a.ts': "import 'fastify'" }, /not among its packages/],
  ['a builtin without node:', { 'native-free-btree/tree/a.ts': "import 'fs'" }, /not among its packages/],
  ['a test from what ships', { 'src/base/a.ts': "import '../../test/support/b.ts'" }, /not to its left/],
  [
    'the fuzzer from the engine',
    { 'native-free-btree/tree/a.ts': "import '../../fuzz/b.ts'" },
    /not to its left/,
  ],
  ['a dependency', { 'src/http/answer/a.ts': "import fastify from 'fastify'" }, null],
  ['a development dependency', { 'src/http/answer/a.ts': "import t from 'tap'" }, /not among its packages/],
  ['msgpackr whole', { 'src/base/a.ts': "import 'msgpackr'" }, /not msgpackr\/pack/],
  ['msgpackr whole, in a test', { 'test/a.ts': "import 'msgpackr'" }, /not msgpackr\/pack/],
  ['msgpackr/pack', { 'src/base/a.ts': "import 'msgpackr/pack'" }, null],
  [
    'msgpackr/pack twice',
    { 'src/base/a.ts': "import 'msgpackr/pack'", 'src/json/a.ts': "import 'msgpackr/pack'" },
    /more than one file/,
  ],
  ['the time', { 'src/http/answer/a.ts': 'const x = Date.now()' }, /reads time/],
  [
    'the time in a template',
    { 'src/http/answer/a.ts': `const x = \`\${{ a: \`}\` } && Date.now()}\`` },
    /reads time/,
  ],
  ['the date', { 'src/http/answer/a.ts': 'const x = new Date()' }, /reads time/],
  ['the date without parentheses', { 'src/http/answer/a.ts': 'const x = new Date\n' }, /reads time/],
  ['chance', { 'test/a.ts': 'const x = Math.random()' }, /reads time/],
  ['a date of a given time', { 'src/http/answer/a.ts': 'const x = new Date(5), y = new Date( z )' }, null],
  ['the time, named in a string', { 'src/http/answer/a.ts': "const x = 'Date.now' // new Date()" }, null],
  ['the time in base', { 'src/base/a.ts': 'Date.now() + Math.random() + new Date()' }, null],
  ['the time in the engine', { 'native-free-btree/store/store.ts': 'Date.now()' }, /reads time/],
  [
    'a circle',
    {
      'src/base/a.ts': "import './b.ts'",
      'src/base/b.ts': "import './c.ts'",
      'src/base/c.ts': "import './a.ts'",
    },
    /^circle: src\/base\/a.ts > src\/base\/b.ts > src\/base\/c.ts > src\/base\/a.ts$/,
  ],
  ['a circle of one', { 'src/base/a.ts': "import './a.ts'" }, /^circle/],
  [
    'a diamond',
    {
      'src/base/a.ts': "import './b.ts'\nimport './c.ts'",
      'src/base/b.ts': "import './c.ts'",
      'src/base/c.ts': '',
    },
    null,
  ],
]

t.test('each rule', async (t) => {
  for (const [name, files, expected] of CASES) {
    const found = breaches(new Map(Object.entries(files)), ['fastify', 'msgpackr'])
    if (expected === null) t.same(found, [], name)
    else t.match(found, [expected], name)
    t.equal(found.length, expected === null ? 0 : 1, name)
  }
})

t.test('code is told from what only looks like it', async (t) => {
  const source = [
    'const a = /[/"\'`]/.test(b) ? c / d : e / f // "',
    `const g = \`\${h(\`'\${i}\`)} \\\` import 'x'\` + "it's"`,
    "return /'/.exec(j)",
    "import k from 'l'",
  ].join('\n')
  t.same(importsOf(source), [{ specifier: 'l' }])
  t.match(textOnly(source, 'code'), /\.test\(b\) \? c \/ d : e \/ f\s+\n.*h\(.*i.*\).*\nreturn\s+\.exec\(j\)/)
})
