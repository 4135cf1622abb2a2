/**
 * `_design/_auth`, which a database of users is born with, as in CouchDB: clients and replicators expect it. Its function says
 * what user-rules.ts says, which is what holds here, whatever becomes of the document; where it is replicated to a
 * CouchDB, that obeys it. A function of exactly this text is not called.
 */
import type { Database, DocumentEdit } from '../database/api/database.ts'
import { scanDocument } from '../json/documents.ts'

export const AUTH_DESIGN_ID = '_design/_auth'

interface AuthLease {
  readonly database: Pick<Database, 'lookup' | 'update'>
  release(): void
}

/** The rules for clients, in the order of user-rules.ts. In the JavaScript of CouchDB's older engines. */
export const AUTH_VALIDATION = `function (doc, before, user, security) {
  function refuse(reason) {
    throw { forbidden: reason };
  }
  function has(list, item) {
    return Array.isArray(list) && list.indexOf(item) >= 0;
  }
  function shared(one, other) {
    return one.some(function (item) { return has(other, item); });
  }
  var isServerAdmin = has(user.roles, '_admin');
  if (doc._deleted) {
    if (isServerAdmin || (user.name !== null && before && user.name === before.name)) return;
    refuse('Only admins may delete other user docs.');
  }
  if (doc.type !== 'user') refuse('doc.type must be user');
  if (!doc.name) refuse('doc.name is required');
  if (!doc.roles) refuse('doc.roles must exist');
  if (!Array.isArray(doc.roles)) refuse('doc.roles must be an array');
  if (!doc.roles.every(function (role) { return typeof role === 'string'; })) {
    refuse('doc.roles can only contain strings');
  }
  if (doc._id !== 'org.couchdb.user:' + doc.name || typeof doc.name !== 'string') {
    refuse('Doc ID must be of the form org.couchdb.user:name');
  }
  if (before && before.name !== doc.name) refuse('Usernames can not be changed.');
  if (doc.password_sha && !doc.salt) refuse('Users with password_sha must have a salt.');
  if (doc.password_scheme && !has(['simple', 'pbkdf2'], doc.password_scheme)) {
    refuse('Password scheme \`' + doc.password_scheme + '\` not supported.');
  }
  if (doc.password_scheme === 'pbkdf2') {
    if (typeof doc.iterations !== 'number') refuse('iterations must be a number.');
    if (typeof doc.derived_key !== 'string') refuse('derived_key must be a string.');
  }
  var admins = (security && security.admins) || {};
  var isAdmin = isServerAdmin || has(admins.names, user.name) || shared(user.roles, admins.roles);
  if (!isAdmin && !before && doc.roles.length > 0) refuse('Only _admin may set roles');
  if (!isAdmin && before) {
    if (user.name !== doc.name) refuse('You may only update your own user document.');
    var old = before.roles === undefined ? [] : before.roles;
    var isSame = Array.isArray(old) && JSON.stringify(old.slice().sort()) === JSON.stringify(doc.roles.slice().sort());
    if (!isSame) refuse('Only _admin may edit roles');
  }
  if (doc.roles.some(function (role) { return role.charAt(0) === '_'; })) {
    refuse('No system roles (starting with underscore) in users db.');
  }
  if (doc.name.charAt(0) === '_') refuse('Username may not start with underscore.');
  if (doc.name.indexOf(':') >= 0) refuse('Character \`:\` is not allowed in usernames.');
}
`

/** The document as it is first written. */
export function authDesignEdit(): DocumentEdit {
  const text = JSON.stringify({ language: 'javascript', validate_doc_update: AUTH_VALIDATION })
  const { body, term } = scanDocument(Buffer.from(text))!
  return { id: AUTH_DESIGN_ID, deleted: false, body, term }
}

/** Writes it into a database that was made without, and gives the lease back. One that somebody has deleted stays so. */
export async function addAuthDesign(lease: AuthLease): Promise<void> {
  try {
    if (lease.database.lookup(AUTH_DESIGN_ID) === undefined) await lease.database.update([authDesignEdit()])
  } finally {
    lease.release()
  }
}
