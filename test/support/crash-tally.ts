/** How often a run of crashes came to each thing that it is to come to. */
export type CrashTally = ReturnType<typeof newCrashTally>

export function newCrashTally() {
  return {
    commits: 0,
    lives: 0,
    images: 0,
    recoveriesCrashed: 0,
    longestCrashChain: 0,
    checkpointsUnderWay: 0,
    commitsInParts: 0,
    poisoned: 0,
    sameSystemReopens: 0,
    full: 0,
    cleanCloses: 0,
    beyond32Bits: 0,
    unacknowledgedKept: 0,
    readers: 0,
    leftoversTold: 0,
    otherFaults: 0,
    checkpointsCrossed: 0,
    grownOverRefused: 0,
    recoveredClean: 0,
    recoveredByReplay: 0,
    recoveredByCut: 0,
    recoveredWithOneSuperblock: 0,
    tornBySectors: 0,
    tornByBytes: 0,
    subsets: 0,
    drawnAtRandom: 0,
    staleBlocks: 0,
    renamesUndone: 0,
    creationsUndone: 0,
    readsFailed: 0,
    syncsFailedForGood: 0,
  }
}
