/**
 * The rights of who follows. What holds: what a feed shows after a wait its user could ask for anew at the end of that wait. Whom
 * `_security` names no more, who was deleted, has another password or other roles, whose token is over, gets nothing
 * but the end of his feed, which says how far it came. While he waits nobody asks: there is nothing to be shown.
 */
import { DatabaseError } from '../../base/errors.ts'
import { authorize } from '../request/access.ts'
import { requireSameUser } from '../request/authentication.ts'
import type { Exchange } from '../request/exchange.ts'
import type { ChangeWaiter } from './change-waiter.ts'
import type { WaitForChange } from './changes-feed.ts'

/** Gives back during each wait what the exchange holds, and takes it again afterwards, with the rights of then. */
export function withRights(exchange: Exchange, waiter: ChangeWaiter): ChangeWaiter {
  const wait: WaitForChange = async (idleMs) => {
    exchange.release()
    const wakeup = await waiter.wait(idleMs)
    if (wakeup !== 'changed') return wakeup
    try {
      await authorize(exchange, exchange.right)
      await requireSameUser(exchange)
      return wakeup
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error
      // The end that is still to be told needs no database, and no right.
      exchange.release()
      return 'ended'
    }
  }
  return { ...waiter, wait }
}
