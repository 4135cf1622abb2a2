/**
 * Node opens all modules of a graph at the same time, which takes as many file descriptors; loaded room by room they need no
 * more than some dozens. Each thread loads what it needs alone: modules take memory in every thread that has them.
 */

/** Of the thread that writes. */
export async function loadCoreRooms(): Promise<void> {
  await loadDatabaseRooms()
  await import('../server/server.ts')
}

/** Of a thread that takes requests. */
export async function loadHttpRooms(): Promise<void> {
  await loadDatabaseRooms()
  await import('../documents/bulk-edits.ts')
  await import('../documents/changes-rows.ts')
  await import('../http/request/exchange.ts')
  await import('../http/listen/dispatch.ts')
  await import('../http/routes/index.ts')
}

/** Of the thread that replicates. */
export async function loadReplicationRooms(): Promise<void> {
  await loadDatabaseRooms()
  await import('../documents/changes-filter.ts')
  await import('../replication/runner.ts')
}

async function loadDatabaseRooms(): Promise<void> {
  await import('../../native-free-btree/index.ts')
  await import('../json/documents.ts')
  await import('../config/registry.ts')
  await import('../database/open.ts')
}
