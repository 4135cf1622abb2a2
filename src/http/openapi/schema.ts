/** JSON Schema of 2020-12, as far as the descriptions need it, in few words. */
export type Schema = Readonly<Record<string, unknown>>

export function string(description?: string, more: Schema = {}): Schema {
  return described({ type: 'string', ...more }, description)
}

export function integer(description?: string, more: Schema = {}): Schema {
  return described({ type: 'integer', ...more }, description)
}

export function natural(description?: string): Schema {
  return integer(description, { minimum: 0 })
}

export function number(description?: string): Schema {
  return described({ type: 'number' }, description)
}

export function boolean(description?: string): Schema {
  return described({ type: 'boolean' }, description)
}

/** Any JSON value. */
export function anything(description?: string): Schema {
  return described({}, description)
}

export function oneOf(values: readonly (string | number | boolean | null)[], description?: string): Schema {
  return described({ enum: values }, description)
}

export function list(of: Schema, description?: string): Schema {
  return described({ type: 'array', items: of }, description)
}

/** Members of any name, each of the same shape. */
export function map(of: Schema, description?: string): Schema {
  return described({ type: 'object', additionalProperties: of }, description)
}

/** A member whose name ends in `?` may be missing. */
export function object(members: Readonly<Record<string, Schema>>, description?: string): Schema {
  const properties: Record<string, Schema> = {}
  const required: string[] = []
  for (const [name, schema] of Object.entries(members)) {
    const isOptional = name.endsWith('?')
    const bare = isOptional ? name.slice(0, -1) : name
    properties[bare] = schema
    if (!isOptional) required.push(bare)
  }
  const said = required.length === 0 ? {} : { required }
  return described({ type: 'object', properties, ...said }, description)
}

/** The same, beside which there may be members of any name. */
export function openObject(members: Readonly<Record<string, Schema>>, description?: string): Schema {
  return { ...object(members, description), additionalProperties: true }
}

export function either(...schemas: readonly Schema[]): Schema {
  return { anyOf: schemas }
}

export function nullable(schema: Schema): Schema {
  return either(schema, { type: 'null' })
}

/** A schema of schemas.ts by its name. */
export function ref(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` }
}

function described(schema: Schema, description: string | undefined): Schema {
  return description === undefined ? schema : { ...schema, description }
}
