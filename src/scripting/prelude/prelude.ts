/**
 * The script that an engine begins with: the texts of the functions of this folder, called with what they need of each
 * other. They are ordinary functions of this program, so that types are checked, but they run inside the engine alone.
 */
import { takeBuiltins } from './builtins.ts'
import { makeFailures } from './failures.ts'
import { makeFunctions } from './functions.ts'
import { makeMediaTypes } from './media-types.ts'
import { makeRender } from './render.ts'
import { wire } from './run.ts'
import { makeViews } from './views.ts'

/** What the host does for code in the engine. */
export const OPERATION = { script: 1, rows: 2, log: 3, memory: 4 } as const

/**
 * A script whose value is a function of the host's function, the buffer of the word that counts steps, the design document
 * and the wiring as texts of JSON, and a name: it is called once for each of the entries by their names.
 */
export const PRELUDE = `(function () {
'use strict'
let entry
return (host, buffer, design, wiring, name) => {
  entry ??= (${wire})((${takeBuiltins})(), {
    failures: ${makeFailures},
    functions: ${makeFunctions},
    media: ${makeMediaTypes},
    render: ${makeRender},
    views: ${makeViews},
  }, host, new Uint32Array(buffer), design, wiring)
  return entry[name]
}
})()`
