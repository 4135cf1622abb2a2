import { builtFolder } from '../../../web/web-folder.ts'
import { type Answer, bare, type Headers } from '../../answer/answer.ts'
import { fileAnswer, filePath, isWithoutSlash, noFile } from '../../pages/file-answer.ts'
import type { Exchange } from '../../request/exchange.ts'
import type { Resource } from '../resource.ts'

/** `/_utils/`: Fauxton, CouchDB's own pages. */

const FAUXTON = builtFolder('fauxton')

/** Where CouchDB sends browsers to sign in, if it is not told otherwise; Fauxton has its own place for it. */
const SESSION_PAGE = 'session.html'
const LOGIN = '/_utils/#login'

/** Instead of pages that were not fetched when the program was built. */
const MISSING = `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>Fauxton is not installed</title>
<h1>Fauxton is not installed</h1>
<p>The pages that belong here are fetched from npm when davenport is built, and there was no network then.
<p>In the folder of its sources <code>npm run build -- --fetch</code> tries it again; a server that runs needs no restart.
The package <code>davenport-db</code> of npm carries them.
<p><a href="../_dashboard/">The dashboard</a> is there without it.
`

async function utils(exchange: Exchange): Promise<Answer> {
  if (isWithoutSlash(exchange, '_utils')) return bare(301, { location: exchange.absoluteUri('/_utils/') })
  const path = filePath(exchange)
  const headers = headersOf(exchange)
  const file = await FAUXTON.find(path)
  if (file !== undefined) return fileAnswer(exchange, file, headers)
  if (path === SESSION_PAGE) return bare(302, { location: exchange.absoluteUri(LOGIN) })
  if (path !== 'index.html') return noFile(headers)
  return { kind: 'whole', status: 404, headers: { ...headers, 'content-type': 'text/html' }, body: MISSING }
}

function headersOf({ limits }: Exchange): Headers {
  const headers: Headers = { 'cache-control': 'private, must-revalidate' }
  if (limits.utilsPolicyEnabled) headers['content-security-policy'] = limits.utilsPolicy
  return headers
}

export const utilsResources: Resource[] = [
  { route: '_utils', endpoint: 'owns-rest', allow: 'GET,HEAD', methods: { GET: utils } },
]
