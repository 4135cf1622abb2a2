/** `/_node/{node}/_config`: what is configured, all of it, a section, a key. */
import { DatabaseError } from '../../../base/errors.ts'
import type { ChangeOptions } from '../../../server/configuration.ts'
import { type Answer, json, ok } from '../../answer/answer.ts'
import type { Exchange } from '../../request/exchange.ts'
import { isTrue } from '../../request/parameters.ts'
import { handlerOf, type Methods } from '../resource.ts'

/** What is behind `_config` in the path. */
type Path = readonly string[]

/** Answers a request whose path goes on with `path`. Throws missing, methodNotAllowed, badRequest, conflict. */
export function configuration(exchange: Exchange, path: Path): Answer | Promise<Answer> {
  const [section, key] = path
  if (path.length > 2) throw new DatabaseError('missing')
  if (section === undefined) return answer(exchange, WHOLE)
  if (key === undefined) return answer(exchange, section === '_reload' ? RELOAD : sectionOf(section))
  return answer(exchange, keyOf(section, key))
}

function answer(exchange: Exchange, methods: Methods): Answer | Promise<Answer> {
  return handlerOf(methods, exchange.method)(exchange)
}

const WHOLE: Methods = {
  allow: 'GET',
  methods: { GET: async ({ backend }) => json(200, await backend.configuration.all()) },
}

const RELOAD: Methods = {
  allow: 'POST',
  methods: {
    POST: async ({ backend }) => {
      await backend.configuration.reload()
      return ok()
    },
  },
}

function sectionOf(section: string): Methods {
  return {
    allow: 'GET',
    methods: { GET: async ({ backend }) => json(200, await backend.configuration.section(section)) },
  }
}

function keyOf(section: string, key: string): Methods {
  const known = (text: string | undefined): Answer => {
    if (text === undefined) throw new DatabaseError('missing', 'unknown_config_value')
    return json(200, text)
  }
  return {
    allow: 'GET,PUT,DELETE',
    methods: {
      GET: async ({ backend }) => known(await backend.configuration.value(section, key)),
      PUT: async (exchange) => {
        const text = await exchange.json.value()
        if (typeof text !== 'string') throw new DatabaseError('badRequest', 'a JSON string expected')
        const { configuration } = exchange.backend
        return json(200, await configuration.set(section, key, text.trim(), changeOptions(exchange)))
      },
      DELETE: async (exchange) => {
        const { configuration } = exchange.backend
        return known(await configuration.delete(section, key, changeOptions(exchange)))
      },
    },
  }
}

function changeOptions(exchange: Exchange): ChangeOptions {
  return {
    persist: exchange.header('x-couch-persist') !== 'false',
    raw: isTrue(exchange.query.get('raw')),
  }
}
