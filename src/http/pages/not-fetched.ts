import type { Headers, WholeAnswer } from '../answer/answer.ts'

/** Instead of pages that were not fetched when the program was built: how to get them. `name` is HTML. */
export function notFetched(name: string, headers: Headers): WholeAnswer {
  const body = `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>${name} is not installed</title>
<h1>${name} is not installed</h1>
<p>The pages that belong here are fetched from npm when davenport is built, and there was no network then.
<p>In the folder of its sources <code>npm run build -- --fetch</code> tries it again; a server that runs needs no restart.
The package <code>davenport-db</code> of npm carries them.
<p><a href="/_dashboard/">The dashboard</a> is there without it.
`
  return { kind: 'whole', status: 404, headers: { ...headers, 'content-type': 'text/html' }, body }
}
