/** What a thread says of itself when it is asked. */
import { getHeapCodeStatistics } from 'node:v8'
import { type LoopFigures, loopFigures } from './loop-watch.ts'
import type { Metrics } from './metrics.ts'
import type { SlowRequest } from './slow-requests.ts'

export interface ThreadFigures {
  /** Bytes of its heap, and of those that are used. */
  readonly heapBytes: number
  readonly usedBytes: number
  /** Bytes of buffers, which lie outside of the heap. */
  readonly bufferBytes: number
  /** Bytes of compiled code. */
  readonly codeBytes: number
  /** Bytes and number of the pages in its cache. */
  readonly cacheBytes: number
  readonly cachePages: number
  /** Requests of this thread that others have not answered. */
  readonly waitingCalls: number
}

/** What it says to who looks on. */
export interface ThreadLook extends LoopFigures {
  readonly slowRequests: readonly SlowRequest[]
}

/** The same for who looks on every second or so; `metrics` take what its cache has counted. */
export function lookAtThread(metrics: Metrics, cache: CacheFigures, nowMs: number): ThreadLook {
  countCache(metrics, cache)
  return { ...loopFigures(), slowRequests: metrics.slowRequests.list(nowMs) }
}

function countCache(metrics: Metrics, cache: CacheFigures): void {
  metrics.set('couchdb.bt_engine_cache.hits', cache.hits)
  metrics.set('couchdb.bt_engine_cache.misses', cache.misses)
  metrics.set('couchdb.bt_engine_cache.full', cache.evictions)
}

/** A cache of pages, as far as it is told of. */
export interface CacheFigures {
  readonly cachedBytes: number
  readonly pages: number
  readonly hits: number
  readonly misses: number
  readonly evictions: number
}

/** Measures the thread that calls it, whose `metrics` take what its cache has counted. */
export function measureThread(metrics: Metrics, cache: CacheFigures, waitingCalls: number): ThreadFigures {
  countCache(metrics, cache)
  const { heapTotal, heapUsed, arrayBuffers } = process.memoryUsage()
  return {
    heapBytes: heapTotal,
    usedBytes: heapUsed,
    bufferBytes: arrayBuffers,
    codeBytes: getHeapCodeStatistics().code_and_metadata_size,
    cacheBytes: cache.cachedBytes,
    cachePages: cache.pages,
    waitingCalls,
  }
}
