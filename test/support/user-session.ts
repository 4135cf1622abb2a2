/** What tests do by way of HTTP to a user of theirs, `ann`, whose password is `apple`, and to the server's configuration. */
import { ask } from './http-request.ts'
import type { TestServer } from './http-server.ts'

/** Sets what is at `section/key`. */
export async function configure(server: TestServer, key: string, value: string): Promise<void> {
  const { status } = await ask(server, `PUT /_node/_local/_config/${key}`, { json: value })
  if (status !== 200) throw new Error(`not configured: ${key}`)
}

/** Headers with the cookie of a new session. */
export async function signIn(server: TestServer): Promise<Record<string, string>> {
  const { headers } = await ask(server, 'POST /_session', { json: { name: 'ann', password: 'apple' } })
  return { cookie: headers['set-cookie']![0]!.split(';')[0]! }
}
