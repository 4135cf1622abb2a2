import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { startChild } from '../support/child.ts'

t.setTimeout(120_000)

async function run(args: readonly string[], environment: Record<string, string> = {}) {
  const child = startChild('./cli-program.js', args, environment)
  const status = await child.ended
  return { status, out: child.out, err: child.err }
}

t.test('help and version', async (t) => {
  for (const [args, pattern] of [
    [['--help'], /^Usage: davenport COMMAND/],
    [['-h'], /^Usage: davenport COMMAND/],
    [['help'], /^Usage: davenport COMMAND/],
    [['help', 'check'], /^Usage: davenport check FILE/],
    [['help', '--help'], /^Usage: davenport COMMAND/],
    [['check', '-h'], /^Usage: davenport check FILE/],
    [['serve', '--help'], /--data-dir[\s\S]*\[chttpd\] max_http_request_size = 4294967296/],
    [['check', '--help'], /Exit status: 0 the file is sound/],
    [['compact', '--help'], /Usage: davenport compact FILE/],
    [['inspect', '--help'], /^Usage: davenport inspect \[options\] FILE/],
    [['--version'], /^1\.2\.3\n$/],
    [['-v'], /^1\.2\.3\n$/],
    [['serve', '--version'], /^1\.2\.3\n$/],
    [['check', '--version'], /^1\.2\.3\n$/],
  ] as const) {
    const { status, out, err } = await run(args)
    t.equal(status, 0, args.join(' '))
    t.match(out, pattern)
    t.equal(err, '')
  }
})

t.test('what makes no sense is status 2, with the reason on standard error', async (t) => {
  const folder = t.testdir({ file: 'x' })
  const missing = join(folder, 'missing')
  const through = join(folder, 'file', 'x')
  for (const [args, pattern] of [
    [[], /^Usage: davenport COMMAND/],
    [['fly'], /^davenport: unknown command "fly"\nTry: davenport --help/],
    [['--fly'], /^davenport: Unknown option '--fly'/],
    [['serve', '--fly'], /Try: davenport serve --help/],
    [['serve', 'x'], /unexpected "x"/],
    [['serve', '--port'], /argument missing/],
    [['serve', '--port', 'x'], /--port: \[chttpd\] port must be/],
    [['serve', '--admin', 'x'], /--admin: expected name:password/],
    [['serve', '--config', missing], /--config: .*missing: there is no such file or folder \(ENOENT\)/],
    [['serve', '--host', '0.0.0.0', '--data-dir', missing], /no administrator is configured/],
    [['check'], /check takes one FILE/],
    [['compact'], /compact takes one FILE/],
    [['compact', missing], /missing: there is no such file/],
    [['compact', folder], /: this is a folder/],
    [['compact', through], /x: a part of this path is a file/],
    [['check', 'a', 'b'], /check takes one FILE/],
    [['check', missing], /missing: there is no such file/],
    [['check', folder], /: this is a folder, not a database file/],
    [['check', through], /x: a part of this path is a file, not a folder \(ENOTDIR\)/],
    [['check', '/dev/null'], /null: this is a device/],
    [['inspect', missing], /missing: there is no such file/],
    [['help', 'fly'], /unknown command "fly"/],
  ] as const) {
    const { status, out, err } = await run(args)
    t.equal(status, 2, args.join(' '))
    t.match(err, pattern)
    t.equal(out, '')
  }
})

t.test('check and inspect', async (t) => {
  const folder = t.testdir({
    sound: '{"problems":[],"leftovers":[{"where":"position 100","what":"9 bytes of a commit"}]}',
    bad: '{"problems":[{"where":"id at 4096","what":"keys out of order"}]}',
    worse: '{"damaged":true}',
  })
  const sound = await run(['check', join(folder, 'sound')])
  t.equal(sound.status, 0)
  t.match(
    sound.out,
    /note: position 100: 9 bytes of a commit\n.*sound: sound; not closed: .* \(1 groups, 2 nodes/,
  )
  t.equal(sound.err, '', 'no bar where there is no terminal')
  const bad = await run(['check', join(folder, 'bad')])
  t.equal(bad.status, 1)
  t.match(bad.out, /^id at 4096: keys out of order\n[\s\S]*damaged, 1 problems/)
  for (const command of ['check', 'inspect']) {
    const worse = await run([command, join(folder, 'worse')])
    t.equal(worse.status, 1)
    t.match(worse.err, /worse: group at 8192 is damaged/)
  }
  const told = await run(['check', '--json', join(folder, 'bad')])
  t.equal(told.status, 1)
  t.match(JSON.parse(told.out), {
    sound: false,
    problemCount: 1,
    problems: [{ where: 'id at 4096' }],
    nodes: 2,
  })
  const compacted = await run(['compact', '--json', join(folder, 'sound')])
  t.match(JSON.parse(compacted.out), { bytesBefore: 10, bytesAfter: 4, resumed: false })
  const summary = await run(['inspect', '--json', join(folder, 'sound')])
  t.match(JSON.parse(summary.out), { uuid: 'u', bytes: 109, trees: { id: { count: 3 } } })
  const inspected = await run(['inspect', join(folder, 'sound')])
  t.equal(inspected.status, 0)
  t.match(
    inspected.out,
    /uuid: u\ncommit: 7\nbytes: 109\nstate: cut\ntree id: 3 entries, 50 bytes, depth 1\n$/,
  )
})

t.test('a bad configuration file names its line', async (t) => {
  const file = join(t.testdir(), 'local.ini')
  await writeFile(file, '[couchdb]\nplugin_dir = x\n')
  const { status, err } = await run(['serve', '--config', file])
  t.equal(status, 2)
  t.match(err, /local\.ini:2: \[couchdb\] plugin_dir is a setting of CouchDB that davenport does not support/)
})
