/** A pattern for `t.throws` and `t.rejects` with the fields of a `DatabaseError`. */
export function errorLike(fields: { status?: number; error?: string; reason?: string | RegExp }): Error {
  return fields as unknown as Error
}
