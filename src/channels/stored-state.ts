/** What the sync function said and what follows from it, as JSON that is stored. Lists, since a channel may be named `__proto__`. */
import type { DocumentState, Removal, SyncOutput } from './document-state.ts'

export type StoredOutput = {
  channels: string[]
  access: [string, string[]][]
  roles: [string, string[]][]
}

export type StoredState = {
  channels: [string, Removal | null][]
  access: [string, [string, number][]][]
  roles: [string, [string, number][]][]
}

export function storedOutput({ channels, access, roles }: SyncOutput): StoredOutput {
  return { channels, access: [...access], roles: [...roles] }
}

export function outputOf({ channels, access, roles }: StoredOutput): SyncOutput {
  return { channels, access: new Map(access), roles: new Map(roles) }
}

export function storedState({ channels, access, roles }: DocumentState): StoredState {
  return {
    channels: [...channels].map(([name, removal]): [string, Removal | null] => [name, removal ?? null]),
    access: [...access].map(([name, set]) => [name, [...set]]),
    roles: [...roles].map(([name, set]) => [name, [...set]]),
  }
}

export function stateOf({ channels, access, roles }: StoredState): DocumentState {
  return {
    channels: new Map(channels.map(([name, removal]) => [name, removal ?? undefined])),
    access: new Map(access.map(([name, set]) => [name, new Map(set)])),
    roles: new Map(roles.map(([name, set]) => [name, new Map(set)])),
  }
}
