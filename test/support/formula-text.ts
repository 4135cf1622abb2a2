/** Texts by formula, as the recordings of CouchDB's digests were made with. */
const WORDS =
  'harbour lantern granite meadow copper thistle anchor violet ember walnut river saddle quartz orchard pigeon velvet'.split(
    ' ',
  )

export type Formula = 'words' | 'lines' | 'json' | 'letters' | 'same'

/** `size` bytes of ASCII from the numbers x = (1103515245 x + 12345) mod 2^31, beginning with `seed`. */
export function formulaText(formula: Formula, size: number, seed: number): Buffer {
  let x = BigInt(seed)
  const next = (below: number): number => {
    x = (x * 1103515245n + 12345n) % 2147483648n
    return (Number(x) >> 8) % below
  }
  const letter = (number: number): string => String.fromCharCode('a'.charCodeAt(0) + number)
  const pieces: Record<Formula, (n: number) => string> = {
    words: (n) => WORDS[next(WORDS.length)]! + (n % 9 === 0 ? '\n' : ' '),
    lines: (n) => `line ${n} value ${next(1000)}\n`,
    json: (n) => `{"id":${n},"word":"${WORDS[next(WORDS.length)]}","n":${next(1000)}},`,
    letters: () => letter(next(26)),
    same: () => letter(seed % 26).repeat(1000),
  }
  let text = formula === 'json' ? '[' : ''
  for (let n = 1; text.length < size; n++) text += pieces[formula](n)
  return Buffer.from(text.slice(0, size))
}
