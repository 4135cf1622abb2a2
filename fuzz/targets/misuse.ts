/**
 * The engine's public interface in the hands of callers who misuse it, on a simulated disk: wrong types and lengths, bytes
 * that lie about themselves or go away, callbacks that throw, give rubbish, spoil what they are given or call back into
 * the library, exceptions that are caught inside transactions, builds that go on behind an `await`, use after the end,
 * options that make no sense, failing disks. Invariants:
 * - What a wrong call throws is in the table of errors (or the caller's own); it changes nothing.
 * - An operation of a transaction that returned has taken effect, one that threw has not; a transaction that is not
 *   acknowledged leaves nothing, unless a failed sync or a callback left it in doubt: then it is there as a whole or not.
 * - The store holds exactly what was acknowledged: at once, opened again, after a crash, and for a reader elsewhere.
 *   `check()` finds no problem.
 * - A creation that fails leaves no file. No rejection is left to nobody.
 */
import { LibraryMisuse } from '../misuse/library-misuse.ts'
import { playerOf, type Target } from '../target.ts'

export const misuse: Target = {
  name: 'misuse',
  summary: 'the public interface misused: wrong arguments, moody callbacks, use after the end',
  caseEvents: 150,
  smokeEvents: 600,
  rarePaths: [
    ...[
      'refused',
      'operationsTakenBack',
      'asyncBuilds',
      'streamsRefused',
      'openingsRefused',
      'creationsFailed',
    ],
    ...[
      'readersBeside',
      'usedAfterClose',
      'reopened',
      'crashes',
      'poisoned',
      'fillingsBroken',
      'fillingsFinished',
    ],
    ...[
      'callback: throws',
      'callback: gives rubbish',
      'callback: calls the library',
      'callback: spoils its arguments',
    ],
  ],
  open: playerOf(async (script) => {
    await new LibraryMisuse(script.setup(), script.coverage).play(script.events())
  }),
}
