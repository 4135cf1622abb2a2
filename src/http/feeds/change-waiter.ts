import { type EventEmitter, setMaxListeners } from 'node:events'
import type { WaitForChange, Wakeup } from './changes-feed.ts'

/** Who the feed is sent to. */
export type Client = Pick<EventEmitter, 'once' | 'off'> & { readonly destroyed: boolean }

export interface ChangeWaiter {
  wait: WaitForChange
  /** Whether the client, the database or the server has gone. */
  ended: () => boolean
  stop: () => void
}

/** Listens for changes and for the end of the database. Returns what ends the listening. */
export type Subscribe = (onChange: () => void, onEnd: () => void) => () => void

/**
 * What an idle feed costs: one listener, one timer, one promise. A change that comes while the feed is
 * sending is remembered, so none is slept through. `stop` must be called when the feed is over.
 */
export function changeWaiter(
  subscribe: Subscribe,
  client: Client,
  signals: readonly AbortSignal[],
): ChangeWaiter {
  let changed = false
  let ended = client.destroyed || signals.some((signal) => signal.aborted)
  let wake: ((wakeup: Wakeup) => void) | undefined
  const onEnd = (): void => {
    ended = true
    wake?.('ended')
  }
  const unsubscribe = subscribe(() => {
    if (wake === undefined) changed = true
    else wake('changed')
  }, onEnd)
  client.once('close', onEnd)
  for (const signal of signals) {
    // Thousands of feeds may wait on one signal.
    setMaxListeners(0, signal)
    signal.addEventListener('abort', onEnd, { once: true })
  }
  const wait: WaitForChange = (idleMs) => {
    if (ended) return Promise.resolve('ended')
    if (changed) {
      changed = false
      return Promise.resolve('changed')
    }
    return new Promise((resolve) => {
      const timer = setTimeout(() => wake?.('idle'), idleMs)
      wake = (wakeup) => {
        clearTimeout(timer)
        wake = undefined
        resolve(wakeup)
      }
    })
  }
  const stop = (): void => {
    unsubscribe()
    client.off('close', onEnd)
    for (const signal of signals) signal.removeEventListener('abort', onEnd)
    wake?.('ended')
  }
  return { wait, ended: () => ended, stop }
}
