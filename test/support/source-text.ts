/**
 * As much of TypeScript's lexical grammar as it takes to tell code from comments, strings, templates and regular
 * expressions. A slash begins a regular expression where no value can have ended before it.
 */
interface Token {
  readonly kind: 'code' | 'comment' | 'literal' | 'template'
  readonly text: string
}

export interface Import {
  /** As written. */
  readonly specifier: string
}

const COMMENT = /\/\/[^\n]*|\/\*[\s\S]*?\*\//y
const QUOTED = /'(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*"/y
const TEMPLATE_PART = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*(?:`|\$\{)/y
const REGEX = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y
const VALUE_BEFORE = /[\w$)\]}'"`]\s*$/
const KEYWORD_BEFORE = /\b(?:return|typeof|case|in|of|delete|void|throw|new|else|do|await|yield)\s*$/

const IMPORTS = [
  /\b(?:import|export)\b[^'"`;()=]*?\bfrom\s*(['"])([^'"]+)\1/g,
  /\bimport\s*(['"])([^'"]+)\1/g,
  /\bimport\s*\(\s*(['"])([^'"]+)\1/g,
  /\bnew URL\(\s*(['"])(\.[^'"]+)\1\s*,\s*import\.meta\.url/g,
]

/** The source with comments blanked and, with 'code', what strings, templates and regular expressions hold. */
export function textOnly(source: string, keep: 'code' | 'code and strings'): string {
  let result = ''
  let depth = 0
  /** For each template literal that is open, the depth of braces at which its expression began. */
  const templates: number[] = []
  for (let i = 0; i < source.length; ) {
    const resumes = source[i] === '}' && templates.at(-1) === depth
    const token = tokenAt(source, i, resumes)
    if (token.kind === 'template') {
      if (resumes) templates.pop()
      if (token.text.endsWith('${')) templates.push(depth)
    } else if (token.text === '{') depth++
    else if (token.text === '}') depth--
    const shown = token.kind === 'code' || (token.kind !== 'comment' && keep === 'code and strings')
    result += shown ? token.text : token.text.replace(/[^\n]/g, ' ')
    i += token.text.length
  }
  return result
}

/** Everything that a source imports, re-exports, or resolves beside itself as the file of a worker. */
export function importsOf(source: string): Import[] {
  const code = textOnly(source, 'code')
  const withStrings = textOnly(source, 'code and strings')
  return IMPORTS.flatMap((pattern) =>
    [...withStrings.matchAll(pattern)]
      .filter((match) => code[match.index] !== ' ')
      .map((match) => ({ specifier: match[2] ?? '' })),
  )
}

function matchAt(pattern: RegExp, source: string, index: number): string | undefined {
  pattern.lastIndex = index
  return pattern.exec(source)?.[0]
}

function tokenAt(source: string, index: number, resumesTemplate: boolean): Token {
  const character = source[index] ?? ''
  if (character === '`' || resumesTemplate) {
    const rest = matchAt(TEMPLATE_PART, source, index + 1) ?? ''
    return { kind: 'template', text: character + rest }
  }
  if (character === "'" || character === '"') {
    const text = matchAt(QUOTED, source, index)
    if (text !== undefined) return { kind: 'literal', text }
  }
  if (character === '/') {
    const comment = matchAt(COMMENT, source, index)
    if (comment !== undefined) return { kind: 'comment', text: comment }
    const before = source.slice(Math.max(0, index - 20), index)
    const mayBegin = !VALUE_BEFORE.test(before) || KEYWORD_BEFORE.test(before)
    const text = mayBegin ? matchAt(REGEX, source, index) : undefined
    if (text !== undefined) return { kind: 'literal', text }
  }
  return { kind: 'code', text: character }
}
