/** What names of users, roles, channels and databases may be. */

export const ALL_CHANNELS = '*'
export const PUBLIC_CHANNEL = '!'
/** The name of the user that stands for everybody who did not sign in; outside he is called GUEST. */
export const GUEST = ''
export const GUEST_LABEL = 'GUEST'
export const ROLE_PREFIX = 'role:'

const PRINCIPAL = /^[-+.@%A-Za-z0-9_]*$/
const DATABASE = /^[a-z][-a-z0-9_$()+/]*$/

/** Whether a user or a role may be called so. */
export function isPrincipalName(name: string): boolean {
  return PRINCIPAL.test(name)
}

export function isChannelName(name: string): boolean {
  return name !== '' && !name.includes(',')
}

export function isDatabaseName(name: string): boolean {
  return DATABASE.test(name)
}
