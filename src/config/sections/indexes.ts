/** Indexes: those of views and of Mango. */
import { integer } from '../setting.ts'

export const INDEXES = {
  indexCacheBytes: integer({
    section: 'indexes',
    key: 'cache_bytes',
    default: 64 * 1024 * 1024,
    min: 1024 * 1024,
    max: 2 ** 40,
    effect: 'restart',
    doc: 'Memory for the pages of indexes that are built; those that are read are in that of all databases.',
  }),
  mostOpenIndexes: integer({
    section: 'indexes',
    key: 'max_open',
    default: 100,
    min: 1,
    max: 100_000,
    effect: 'restart',
    doc: 'Indexes that stay open without being used, at most, in each thread.',
  }),
  mostIndexBuilds: integer({
    section: 'indexes',
    key: 'max_builds',
    default: 4,
    min: 1,
    max: 1000,
    effect: 'live',
    doc: 'Indexes that are built at once; others wait.',
  }),
  mostIndexWaiters: integer({
    section: 'indexes',
    key: 'max_waiting',
    default: 10_000,
    min: 1,
    max: 1_000_000,
    effect: 'live',
    doc: 'Requests that may wait for indexes; more of them get 503.',
  }),
}
