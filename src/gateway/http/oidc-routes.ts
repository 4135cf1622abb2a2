import { GatewayError } from '../errors.ts'
import type { Answer } from './answer.ts'
import type { Exchange } from './exchange.ts'

async function none(_e: Exchange): Promise<Answer> {
  throw new GatewayError(400, 'x')
}
export const begin = none,
  challenge = none,
  callback = none,
  refresh = none,
  testingConfiguration = none,
  testingAuthorize = none,
  testingAuthenticate = none,
  testingToken = none,
  testingCertificates = none
