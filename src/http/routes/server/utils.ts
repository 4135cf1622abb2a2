import { builtFolder } from '../../../web/web-folder.ts'
import { type Answer, bare, type Headers } from '../../answer/answer.ts'
import { fileAnswer, filePath, isWithoutSlash, noFile } from '../../pages/file-answer.ts'
import { notFetched } from '../../pages/not-fetched.ts'
import type { Exchange } from '../../request/exchange.ts'
import type { Resource } from '../resource.ts'

/** `/_utils/`: Fauxton, CouchDB's own pages. */

const FAUXTON = builtFolder('fauxton')

/** Where CouchDB sends browsers to sign in, if it is not told otherwise; Fauxton has its own place for it. */
const SESSION_PAGE = 'session.html'
const LOGIN = '/_utils/#login'

async function utils(exchange: Exchange): Promise<Answer> {
  if (isWithoutSlash(exchange, '_utils')) return bare(301, { location: exchange.absoluteUri('/_utils/') })
  const path = filePath(exchange)
  const headers = headersOf(exchange)
  const file = await FAUXTON.find(path)
  if (file !== undefined) return fileAnswer(exchange, file, headers)
  if (path === SESSION_PAGE) return bare(302, { location: exchange.absoluteUri(LOGIN) })
  if (path !== 'index.html') return noFile(headers)
  return notFetched('Fauxton', headers)
}

function headersOf({ limits }: Exchange): Headers {
  const headers: Headers = { 'cache-control': 'private, must-revalidate' }
  if (limits.utilsPolicyEnabled) headers['content-security-policy'] = limits.utilsPolicy
  else if (limits.oldUtilsPolicyEnabled) headers['content-security-policy'] = limits.oldUtilsPolicy
  return headers
}

export const utilsResources: Resource[] = [
  { route: '_utils', endpoint: 'owns-rest', allow: 'GET,HEAD', methods: { GET: utils } },
]
