/** A process that hands back every handle that it is given: see listening-socket.ts. */
process.on('message', (_message, handle) => {
  if (handle !== undefined) process.send?.({}, handle)
})
