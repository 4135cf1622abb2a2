/** Confidence intervals of the ratio of two sets of rounds. */

export interface Ratio {
  /** Of the geometric means. */
  readonly ratio: number
  /** Undefined where a side has less than two rounds. */
  readonly interval: readonly [low: number, high: number] | undefined
}

export const CONFIDENCE = 0.95

/** Beyond so many degrees of freedom t hardly differs from the normal distribution. */
const MOST_FREEDOM = 1000
const SIMPSON_STEPS = 2000
const BISECTIONS = 60

/**
 * How many times the figures of `before` those of `after` are: Welch's interval of the difference of the means of their
 * logarithms (B. L. Welch, Biometrika 34, 1947). All figures have to be above 0; NaN where there are none.
 */
export function ratioOf(before: readonly number[], after: readonly number[]): Ratio {
  const [a, b] = [before.map(Math.log), after.map(Math.log)]
  const difference = mean(b) - mean(a)
  const ratio = Math.exp(difference)
  if (a.length < 2 || b.length < 2) return { ratio, interval: undefined }
  const [ofA, ofB] = [variance(a) / a.length, variance(b) / b.length]
  const squared = ofA + ofB
  if (squared === 0) return { ratio, interval: [ratio, ratio] }
  const freedom = squared ** 2 / (ofA ** 2 / (a.length - 1) + ofB ** 2 / (b.length - 1))
  const reach = studentReach(freedom, CONFIDENCE) * Math.sqrt(squared)
  return { ratio, interval: [Math.exp(difference - reach), Math.exp(difference + reach)] }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function variance(values: readonly number[]): number {
  const middle = mean(values)
  return values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1)
}

/**
 * The t within which, on both sides of 0, Student's distribution has `share` of all. With t = √ν tan θ its density is
 * that of cos^(ν−1) θ, which has an end: it is added up by Simpson's rule, and θ found by bisection.
 * @param freedom ν, from 1 on.
 */
export function studentReach(freedom: number, share: number): number {
  const power = Math.min(Math.max(freedom, 1), MOST_FREEDOM)
  const wanted = share * areaOfCosine(power - 1, Math.PI / 2)
  let [low, high] = [0, Math.PI / 2]
  for (let i = 0; i < BISECTIONS; i++) {
    const middle = (low + high) / 2
    if (areaOfCosine(power - 1, middle) < wanted) low = middle
    else high = middle
  }
  return Math.sqrt(power) * Math.tan(low)
}

/** Of cos^power from 0 to `to`. */
function areaOfCosine(power: number, to: number): number {
  const step = to / SIMPSON_STEPS
  let sum = 1 + Math.cos(to) ** power
  for (let i = 1; i < SIMPSON_STEPS; i++) sum += (i % 2 === 1 ? 4 : 2) * Math.cos(i * step) ** power
  return (sum * step) / 3
}
