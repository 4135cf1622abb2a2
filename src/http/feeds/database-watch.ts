import { DatabaseError } from '../../base/errors.ts'
import { authorize } from '../request/access.ts'
import type { Exchange } from '../request/exchange.ts'
import { type ChangeWaiter, type Client, changeWaiter } from './change-waiter.ts'
import type { WaitForChange } from './changes-feed.ts'

/**
 * Waits for changes of the exchange's database without holding it: thousands of idle feeds on many databases keep none of
 * them open. Between two waits the exchange has its lease, as every handler expects; during a wait it has none. A database
 * that cannot be had again (deleted, no room in time, the server stops, `_security` names the user no more) ends the feed, which
 * says how far it came.
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
  const wait: WaitForChange = async (idleMs) => {
    exchange.release()
    const wakeup = await waiter.wait(idleMs)
    if (wakeup !== 'changed') return wakeup
    try {
      await authorize(exchange, exchange.right)
      return wakeup
    } catch (error) {
      if (error instanceof DatabaseError) return 'ended'
      throw error
    }
  }
  return { ...waiter, wait }
}
