import type { Exchange } from '../request/exchange.ts'
import { type ChangeWaiter, type Client, changeWaiter } from './change-waiter.ts'
import { withRights } from './feed-rights.ts'

/**
 * Waits for changes of the exchange's database without holding it: thousands of idle feeds on many databases keep none of
 * them open. Between two waits the exchange has its lease, as every handler expects; during a wait it has none. A database
 * that cannot be had again (deleted, no room in time, the server stops) ends the feed, which says how far it came.
 */
export function watchDatabase(exchange: Exchange, client: Client): ChangeWaiter {
  const { databases } = exchange.backend
  const name = exchange.place.database!
  const waiter = changeWaiter(
    (changed, deleted) => databases.watch(name, { changed, deleted }),
    client,
    // A deletion that began before the watch did is known by the lease alone.
    [exchange.lease.signal, exchange.service.stopping],
  )
  return withRights(exchange, waiter)
}
