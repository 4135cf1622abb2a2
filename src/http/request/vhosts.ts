/**
 * `[vhosts]`: requests for some host go to another place, as in CouchDB. A rule's name is a host, of which `*` at its beginning
 * stands for one label and more and `:name` for one, with a port and the beginning of a path behind it if it likes; its value is a
 * path, in which `:name` stands for that label and `*` for what the host's stood for. What holds:
 * - The path that was asked for goes behind the rule's; what is `GLOBAL` stays where it is on every host.
 * - A host gives a path no more than parts of it: a label cannot hold a slash.
 */
import type { IncomingMessage } from 'node:http'
import type { Entries } from '../../config/setting.ts'
import { hostOf } from './host.ts'

const GLOBAL = new Set(['_utils', '_uuids', '_session', '_users'])
/** A variable of the path that the host does not have, as CouchDB writes it. */
const UNDEFINED = 'undefined'
/** What labels and ports of hosts are made of; others are no host's. */
const HOST = /^[A-Za-z0-9._~%!$&'()*+,;=[\]:-]*$/

interface Rule {
  /** From the last label to the first. */
  readonly labels: readonly string[]
  /** Undefined for any. */
  readonly port: string | undefined
  /** What a path begins with that the rule is for, and that is left out. */
  readonly prefix: readonly string[]
  readonly target: readonly string[]
}

export class Vhosts {
  readonly #rules: readonly Rule[]
  readonly #forwardedHost: string | undefined

  /** `forwardedHost`: the header in which proxies name the host. */
  constructor(entries: Entries, forwardedHost?: string) {
    this.#forwardedHost = forwardedHost
    const rules = [...entries].map(([host, target]) => ruleOf(host, target))
    // The more a rule says, the sooner it is asked, and labels before what stands for any.
    this.#rules = rules.sort(
      (a, b) => b.labels.length - a.labels.length || rank(b) - rank(a) || b.prefix.length - a.prefix.length,
    )
  }

  /** Where the request goes; undefined where no rule is for it. */
  targetOf(request: IncomingMessage, target: string): string | undefined {
    const host = hostOf(request, this.#forwardedHost)
    if (this.#rules.length === 0 || host === undefined || !HOST.test(host) || !target.startsWith('/'))
      return undefined
    const question = target.search(/[?#]/)
    const path = question < 0 ? target : target.slice(0, question)
    const parts = path.split('/').filter((part) => part !== '')
    if (parts[0] !== undefined && GLOBAL.has(parts[0])) return undefined
    const { labels, port } = splitHost(host)
    for (const rule of this.#rules) {
      if (rule.port !== undefined && rule.port !== port) continue
      const found = bindings(rule.labels, labels)
      if (found === undefined || !rule.prefix.every((part, at) => part === parts[at])) continue
      const place = placeOf(rule.target, found)
      const rest = parts.slice(rule.prefix.length)
      const slash = rest.length > 0 && path.endsWith('/') ? '/' : ''
      return `/${[...place, ...rest].join('/')}${slash}${question < 0 ? '' : target.slice(question)}`
    }
    return undefined
  }
}

function ruleOf(name: string, target: string): Rule {
  const slash = name.indexOf('/')
  const host = slash < 0 ? name : name.slice(0, slash)
  const prefix = slash < 0 ? [] : partsOf(name.slice(slash))
  return {
    ...(host === '' ? { labels: ['*'], port: undefined } : splitHost(host)),
    prefix,
    target: partsOf(target),
  }
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '')
}

/** Ports count only where they are numbers: `:name` in front of a label is a variable. */
function splitHost(host: string): { labels: string[]; port: string | undefined } {
  const match = /^(.*):(\d+)$/.exec(host)
  const name = match?.[1] ?? host
  return {
    labels: name
      .toLowerCase()
      .split('.')
      .filter((label) => label !== '')
      .reverse(),
    port: match?.[2],
  }
}

/** Rules with a port before those for any, with fixed labels before those with others. */
function rank({ labels, port }: Rule): number {
  const loose = labels.filter((label) => label === '*' || label.startsWith(':')).length
  return (port === undefined ? 0 : 1) - 2 * loose - (labels.includes('*') ? 1 : 0)
}

interface Bindings {
  readonly byName: ReadonlyMap<string, string>
  /** Labels that `*` stood for, in their order. */
  readonly others: readonly string[]
}

/** Undefined where the host is another one. */
function bindings(rule: readonly string[], host: readonly string[]): Bindings | undefined {
  const byName = new Map<string, string>()
  for (const [at, label] of rule.entries()) {
    if (label === '*') {
      return host.length > at ? { byName, others: host.slice(at).reverse() } : undefined
    }
    const found = host[at]
    if (found === undefined) return undefined
    if (label.startsWith(':')) byName.set(label, found)
    else if (label !== found) return undefined
  }
  return rule.length === host.length ? { byName, others: [] } : undefined
}

function placeOf(target: readonly string[], { byName, others }: Bindings): string[] {
  return target.flatMap((part) => {
    if (part === '*') return [...others]
    return part.startsWith(':') ? [byName.get(part.toLowerCase()) ?? UNDEFINED] : [part]
  })
}
