/** From here on not every integer is a double, and positional notation would show digits that are not there. */
const FIRST_INEXACT = 2 ** 53

/**
 * The canonical text of a finite double, as Erlang's `float_to_binary(F, [short])` writes it: the shortest
 * digits that read back as the same number; positional (`100.0`, `0.0001`) below 2^53 where that is not
 * longer than scientific, else scientific without a plus sign (`1.0e3`, `1.0e-5`). Both zeros are `0.0`.
 */
export function floatText(value: number): string {
  const magnitude = Math.abs(value)
  if (magnitude >= 0.1 && magnitude < FIRST_INEXACT && !Number.isInteger(value)) return String(value)
  if (magnitude === 0) return '0.0'
  const [mantissa, power] = magnitude.toExponential().split('e') as [string, string]
  const exponent = Number(power)
  const digits = mantissa.replace('.', '')
  const scientific = `${digits[0]}.${digits.slice(1) || '0'}e${exponent}`
  const text = magnitude < FIRST_INEXACT ? shorter(positional(digits, exponent), scientific) : scientific
  return value < 0 ? `-${text}` : text
}

function positional(digits: string, exponent: number): string {
  if (exponent < 0) return `0.${'0'.repeat(-exponent - 1)}${digits}`
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0')
  return `${whole}.${digits.slice(exponent + 1) || '0'}`
}

function shorter(preferred: string, other: string): string {
  return preferred.length <= other.length ? preferred : other
}
