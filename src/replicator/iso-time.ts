/** A time as CouchDB's replicator writes it: whole seconds, UTC. */
export function isoTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, -5)}Z`
}
