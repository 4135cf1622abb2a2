/** Whether something has the shape of a store. */
import type { Capabilities, Store } from './api.ts'
import { LabError } from './lab-error.ts'

const CAPABILITIES: readonly (keyof Capabilities)[] = [
  'transactions',
  'orderedScans',
  'concurrentWriters',
  'multipleProcesses',
  'fileSystem',
]

/** `found` as a store, when it is one; `what` says where it was found. Throws LabError. */
export function storeIn(found: unknown, what: string): Store {
  const wrong = (text: string) => new LabError(`${what} is no store: ${text}`)
  if (typeof found !== 'object' || found === null) {
    throw wrong('its default export has to be an object with name, capabilities and open()')
  }
  const { name, capabilities, open, version, rebuiltFiles } = found as Partial<Record<keyof Store, unknown>>
  if (typeof name !== 'string' || name === '') throw wrong('it has no name')
  if (typeof open !== 'function') throw wrong('it has no function open()')
  if (version !== undefined && typeof version !== 'string') throw wrong('its version is no text')
  checkCapabilities(capabilities, wrong)
  const ends: unknown = rebuiltFiles ?? []
  if (!Array.isArray(ends) || !ends.every((end) => typeof end === 'string' && end !== '')) {
    throw wrong('rebuiltFiles has to be a list of texts that names of files end with')
  }
  return found as Store
}

function checkCapabilities(found: unknown, wrong: (text: string) => LabError): void {
  const all = CAPABILITIES.join(', ')
  if (typeof found !== 'object' || found === null) {
    throw wrong(`it has no capabilities: an object that says true or false for each of ${all}`)
  }
  for (const name of CAPABILITIES) {
    const value = (found as Record<string, unknown>)[name]
    if (typeof value !== 'boolean') throw wrong(`capabilities.${name} has to be true or false`)
  }
  for (const name of Object.keys(found)) {
    if (!CAPABILITIES.some((each) => each === name)) {
      throw wrong(`capabilities.${name} is none that the lab knows: ${all}`)
    }
  }
}
