import type { GatewayDatabase } from '../gateway-database.ts'
export class Oidc {
  async userOfToken(_d: GatewayDatabase, _t: string): Promise<string | undefined> {
    return undefined
  }
}
