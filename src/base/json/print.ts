/**
 * `JSON.stringify` for values of JSON of any depth. The built-in one calls itself for each level and ends with an
 * overflow after some thousands of them; it is tried first, for it is much faster.
 */
export function printValue(value: unknown): string {
  try {
    return JSON.stringify(value)
  } catch (error) {
    if (!isStackOverflow(error)) throw error
    return printDeep(value)
  }
}

/** Thrown where a function calls itself too often, for input that is nested too deeply. */
export function isStackOverflow(error: unknown): boolean {
  return error instanceof RangeError && error.message === 'Maximum call stack size exceeded'
}

/** What is still to be written: a text, or a value in an array so that it cannot be taken for one. */
type Todo = string | [unknown]

function printDeep(value: unknown): string {
  const todo: Todo[] = [[value]]
  const parts: string[] = []
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    if (typeof next === 'string') parts.push(next)
    else todo.push(...partsOf(next[0]))
  }
  return parts.join('')
}

/** In reverse: the last is written first. */
function partsOf(value: unknown): Todo[] {
  if (typeof value !== 'object' || value === null) return [JSON.stringify(value)]
  const isArray = Array.isArray(value)
  const todo: Todo[] = [isArray ? ']' : '}']
  const entries = isArray ? value.map((item): [string, unknown] => ['', item]) : Object.entries(value)
  for (const [index, [name, item]] of entries.reverse().entries()) {
    if (index > 0) todo.push(',')
    todo.push([item])
    if (!isArray) todo.push(`${JSON.stringify(name)}:`)
  }
  todo.push(isArray ? '[' : '{')
  return todo
}

/** Whether arrays and objects stand in each other more than `most` levels deep. */
export function isDeeper(value: unknown, most: number): boolean {
  let level: unknown[] = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > most) return true
    level = level.flatMap((each) => (typeof each === 'object' && each !== null ? Object.values(each) : []))
  }
  return false
}
