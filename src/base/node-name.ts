/** The name of the one node that there is; CouchDB's where nobody has given one. */
export const NODE = 'nonode@nohost'
