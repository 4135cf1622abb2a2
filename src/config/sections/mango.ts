/** Queries: `[mango]`. */
import { integer } from '../setting.ts'

export const MANGO = {
  findLimit: integer({
    section: 'mango',
    key: 'default_limit',
    default: 25,
    min: 0,
    max: 1_000_000_000,
    effect: 'live',
    doc: 'Documents that a _find answers with at most where it names no limit.',
  }),
  scanWarningThreshold: integer({
    section: 'mango',
    key: 'index_scan_warning_threshold',
    default: 10,
    min: 0,
    max: 1_000_000_000,
    effect: 'live',
    doc: 'A _find that examines more documents than so many for each result says so in a warning; 0: none does.',
  }),
}
