/** Who looks on. The session is the browser's cookie; nothing is kept here. */

export interface Session {
  readonly name: string | null
  readonly mayLook: boolean
  /** Who may do something too. */
  readonly isAdmin: boolean
}

interface SessionAnswer {
  readonly userCtx: { readonly name: string | null; readonly roles: readonly string[] }
}

const JSON_HEADERS = { accept: 'application/json', 'content-type': 'application/json' }

/** Rejects where the server cannot be reached. Asking keeps the session alive. */
export async function currentSession(): Promise<Session> {
  const response = await fetch('../_session', { headers: JSON_HEADERS })
  if (!response.ok) return { name: null, mayLook: false, isAdmin: false }
  const { name, roles } = ((await response.json()) as SessionAnswer).userCtx
  const isAdmin = roles.includes('_admin')
  return { name, isAdmin, mayLook: isAdmin || roles.includes('_metrics') }
}

/** Resolves to what is wrong, undefined where nothing is. */
export async function signIn(name: string, password: string): Promise<string | undefined> {
  return send('POST', '../_session', { name, password })
}

export async function signOut(): Promise<void> {
  await send('DELETE', '../_session')
}

/** Resolves to the answer, or to what the server has against it. */
export async function ask<T>(path: string): Promise<T | string> {
  try {
    const response = await fetch(path, { headers: JSON_HEADERS })
    const answer = (await response.json()) as T & { reason?: string }
    return response.ok ? answer : (answer.reason ?? `The server answered ${response.status}.`)
  } catch {
    return 'The server cannot be reached.'
  }
}

/** Resolves to what the server has against it, undefined where it has nothing. */
export async function send(method: string, path: string, body?: unknown): Promise<string | undefined> {
  try {
    const content = body === undefined ? {} : { body: JSON.stringify(body) }
    const response = await fetch(path, { method, headers: JSON_HEADERS, ...content })
    if (response.ok) return undefined
    const answer = (await response.json().catch(() => ({}))) as { reason?: string }
    return answer.reason ?? `The server answered ${response.status}.`
  } catch {
    return 'The server cannot be reached.'
  }
}
