/** An upload whose client takes his time. */
import { once } from 'node:events'
import { request } from 'node:http'

export interface Upload {
  method: string
  path: string
  body: string | Buffer
  headers?: Record<string, string>
}

/**
 * Sends head and half the body, `meanwhile` is done, the rest is sent. Resolves with the answer. `url` is the server's, without a slash
 * at the end.
 */
export async function uploadSlowly(
  url: string,
  { method, path, body, headers }: Upload,
  meanwhile: () => Promise<unknown>,
): Promise<{ status: number; text: string }> {
  const bytes = Buffer.from(body)
  const half = bytes.length >> 1
  // The server has let the client in when it asks for the body.
  const expecting = { ...headers, 'content-length': bytes.length, expect: '100-continue' }
  const sent = request(url + path, { method, headers: expecting, agent: false })
  const answered = once(sent, 'response')
  answered.catch(() => undefined)
  sent.flushHeaders()
  await Promise.race([once(sent, 'continue'), answered])
  await new Promise<void>((resolve) => sent.write(bytes.subarray(0, half), () => resolve()))
  await meanwhile()
  sent.end(bytes.subarray(half))
  const [response] = await answered
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk
  return { status: response.statusCode, text }
}
