/** Which databases hold users. */
import type { SettingsRegistry } from '../config/registry.ts'
import { USERS_DATABASE } from './user-document.ts'

type SettingsView = Pick<SettingsRegistry, 'get'>

/** The database whose users may sign in: `[chttpd_auth] authentication_db`. */
export function usersDatabaseName(settings: SettingsView): string {
  return settings.get('authenticationDatabase') ?? USERS_DATABASE
}

/** Whether documents of a database are users': its passwords are hashed, and its documents are seen by their users alone. */
export function isUsersDatabase(name: string, settings: SettingsView): boolean {
  return name === USERS_DATABASE || name === settings.get('authenticationDatabase')
}
