import { builtFolder } from '../../../web/web-folder.ts'
import { type Answer, bare, type Headers } from '../../answer/answer.ts'
import { fileAnswer, filePath, isWithoutSlash, noFile } from '../../pages/file-answer.ts'
import { notFetched } from '../../pages/not-fetched.ts'
import type { Exchange } from '../../request/exchange.ts'
import type { Resource } from '../resource.ts'

/** `/_dashboard/api/`: what `/_openapi.json` says, shown by Swagger UI, whose files are beside those of the page. */
const ROUTE = '_dashboard/api'

const PAGE = builtFolder('api')
const VIEWER = builtFolder('swagger-ui-dist')
const VIEWER_SCRIPT = 'swagger-ui-bundle.js'

/** Pictures are in its style sheet, as data. Nothing is loaded from elsewhere, nothing is run but files of this server. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const HEADERS: Headers = {
  'cache-control': 'private, must-revalidate',
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
}

async function apiPage(exchange: Exchange): Promise<Answer> {
  if (isWithoutSlash(exchange, ROUTE)) return bare(301, { location: exchange.absoluteUri(`/${ROUTE}/`) })
  const path = filePath(exchange)
  if (path === 'index.html' && !(await VIEWER.has(VIEWER_SCRIPT))) return notFetched('Swagger UI', HEADERS)
  const file = (await PAGE.find(path)) ?? (await VIEWER.find(path))
  return file === undefined ? noFile(HEADERS) : fileAnswer(exchange, file, HEADERS)
}

export const apiPageResources: Resource[] = [
  { route: ROUTE, endpoint: 'owns-rest', allow: 'GET,HEAD', methods: { GET: apiPage } },
]
