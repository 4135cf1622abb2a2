/** What requests are for, as far as their times are told apart. The order is that of their bins in memory. */
export const REQUEST_KINDS = [
  'read',
  'write',
  'bulk',
  'list',
  'changes',
  'view',
  'find',
  'attachment',
  'other',
] as const

export type RequestKind = (typeof REQUEST_KINDS)[number]
