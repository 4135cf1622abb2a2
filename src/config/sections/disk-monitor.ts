/** `[disk_monitor]`: what is left undone while the disk is nearly full. */
import { flag, integer } from '../setting.ts'

export const DISK_MONITOR = {
  diskMonitorEnabled: flag({
    section: 'disk_monitor',
    key: 'enable',
    default: false,
    effect: 'live',
    doc: 'Whether the other keys of this section are obeyed.',
  }),
  backgroundIndexingPercent: integer({
    section: 'disk_monitor',
    key: 'background_view_indexing_threshold',
    default: 80,
    min: 0,
    max: 100,
    effect: 'live',
    doc: 'Percent of the disk in use above which no index is built unasked.',
  }),
  interactiveIndexingPercent: integer({
    section: 'disk_monitor',
    key: 'interactive_view_indexing_threshold',
    default: 90,
    min: 0,
    max: 100,
    effect: 'live',
    doc: 'The same of who asks an index that is not up to date: 507, but with update=false and stale=ok.',
  }),
  interactiveWritesPercent: integer({
    section: 'disk_monitor',
    key: 'interactive_database_writes_threshold',
    default: 90,
    min: 0,
    max: 100,
    effect: 'live',
    doc: 'The same of writes and deletions of documents: 507, but for local documents and replications.',
  }),
}
