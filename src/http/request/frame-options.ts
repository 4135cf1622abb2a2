/** `X-Frame-Options`, as CouchDB's `[x_frame_options]` has it: which pages may show an answer in a frame. */
import type { IncomingMessage } from 'node:http'
import type { SettingsRegistry } from '../../config/registry.ts'
import { hostOf } from './host.ts'

export interface FrameOptions {
  readonly enabled: boolean
  readonly sameOrigin: boolean
  /** Addresses of this server with their schemes; `*` alone is every one. */
  readonly hosts: readonly string[] | undefined
  /** Header in which proxies name the host. */
  readonly forwardedHost?: string | undefined
}

/** Those of the settings, which they follow. */
export function frameOptionsOf(settings: Pick<SettingsRegistry, 'view'>): FrameOptions {
  return settings.view({
    enabled: 'frameOptionsEnabled',
    sameOrigin: 'frameSameOrigin',
    hosts: 'frameHosts',
    forwardedHost: 'forwardedHostHeader',
  })
}

/** The header's value; undefined while there is none. */
export function frameOption(options: FrameOptions | undefined, request: IncomingMessage): string | undefined {
  if (options === undefined || !options.enabled) return undefined
  if (options.sameOrigin) return 'SAMEORIGIN'
  const host = hostOf(request, options.forwardedHost)
  const { hosts = [] } = options
  const address = `http://${host}`
  const isShown = host !== undefined && (hosts.includes(address) || (hosts.length === 1 && hosts[0] === '*'))
  return isShown ? `ALLOW-FROM ${address}` : 'DENY'
}
