import type { ConfigurationBackend } from '../http/request/options.ts'
import type { Core } from './front-channel.ts'

type Methods = { [M in keyof ConfigurationBackend]: (...args: never[]) => Promise<never> }

/** The server's configuration, which the core keeps. */
export function remoteConfiguration(core: Core): ConfigurationBackend {
  const call =
    (method: keyof ConfigurationBackend) =>
    (...args: readonly unknown[]) =>
      core.ask('configure', { method, args }) as Promise<never>
  const methods: Methods = {
    all: call('all'),
    section: call('section'),
    value: call('value'),
    set: call('set'),
    delete: call('delete'),
    reload: call('reload'),
  }
  return methods
}
