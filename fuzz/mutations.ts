import type { RunOptions } from './options.ts'
export async function runMutations(_options: RunOptions): Promise<boolean> {
  return true
}
