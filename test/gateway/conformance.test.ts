/**
 * The recorded conversations of Sync Gateway, where they are at hand: beside the repository, or where CONFORMANCE says. What
 * differs is listed in test/conformance/gateway-known.json, each with its reason; the list may only shrink.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import { REPOSITORY } from '../support/clone.ts'
import { GatewayServer } from '../support/gateway-server.ts'

t.setTimeout(280_000)

const recordings = resolve(REPOSITORY, process.env['CONFORMANCE'] ?? '../shared/conformance')
const player = join(recordings, 'play-gateway.mjs')
const known = join(REPOSITORY, 'test/conformance/gateway-known.json')

function play(args: readonly string[]): Promise<string> {
  return new Promise((done) => {
    execFile(process.execPath, [player, ...args], { maxBuffer: 2 ** 26 }, (_error, out, err) =>
      done(out + err),
    )
  })
}

const skip = existsSync(player) ? false : `no recordings at ${recordings}`

t.test('what a real Sync Gateway answered', { skip }, async (t) => {
  const server = await GatewayServer.start(t.testdir())
  const file = join(recordings, 'sync-gateway.json')
  const told = await play([server.publicUrl, server.adminUrl, file, '--known', known])
  await server.stop()
  t.match(told, /(?:^|\n)\d+ passed, 0 failed, \d+ skipped\n$/)
})
