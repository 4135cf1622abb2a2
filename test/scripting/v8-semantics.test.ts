/** The same functions in V8's contexts: what they may say, and what it means, is the same. */
process.env['DAVENPORT_TEST_SANDBOX'] = 'v8'
await import('./semantics.test.js')
await import('./abandoned-lists.test.js')
