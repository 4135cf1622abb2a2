import type { PasswordHash } from './password-hash.ts'
import type { Credential, CredentialSource } from './user.ts'

/** Credentials by name. One whose hash and roles stay keeps its object: what is remembered of it goes on to hold. */
export class CredentialTable implements CredentialSource {
  #byName: ReadonlyMap<string, Credential> = new Map()

  constructor(credentials: Iterable<Credential> = []) {
    this.replace(credentials)
  }

  find(name: string): Credential | undefined {
    return this.#byName.get(name)
  }

  list(): Credential[] {
    return [...this.#byName.values()]
  }

  /** Those are all from now on. */
  replace(credentials: Iterable<Credential>): void {
    const pairs = [...credentials].map((each): [string, Credential] => {
      const known = this.#byName.get(each.name)
      return [each.name, known !== undefined && isSame(known, each) ? known : each]
    })
    this.#byName = new Map(pairs)
  }
}

function isSame(a: Credential, b: Credential): boolean {
  return isSameHash(a.hash, b.hash) && a.roles.join('\n') === b.roles.join('\n')
}

function isSameHash(a: PasswordHash, b: PasswordHash): boolean {
  return (
    a.prf === b.prf && a.salt === b.salt && a.iterations === b.iterations && a.derivedKey === b.derivedKey
  )
}
