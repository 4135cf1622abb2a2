/**
 * The design document that a sync function is run as, in the sandbox of `src/scripting`: what the function calls (`channel`,
 * `access`, `role`, `requireUser`, `requireRole`, `requireAccess`, `reject`) is gathered and comes back as one text of JSON. `_` is
 * underscore, as in Sync Gateway; `throw({forbidden})` and `throw({unauthorized})` are refusals.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

/**
 * Called with `{new, old, user}`, `user` null where nothing is required of him. The answer is `{rejection: [status, reason]}` or
 * `{channels, access, roles}`, lists in the order of the calls. It is run as a rewrite is: of all kinds of functions that one's
 * answer comes back as it is, without being made an answer to a request on the way.
 */
const RUN = `(function () {
  var output;
  var user;
  function strings(value) {
    if (typeof value === 'string') return [value];
    if (!Array.isArray(value)) return [];
    return value.filter(function (each) { return typeof each === 'string'; });
  }
  function reject(status, reason) {
    if (output.rejection) return;
    status = Math.trunc(Number(status));
    if (status >= 400 && status < 1000) output.rejection = [status, reason === undefined ? '' : String(reason)];
  }
  function grant(list, names, values) {
    values = strings(values);
    if (values.length === 0) return;
    strings(names).forEach(function (name) { list.push([name, values]); });
  }
  function listOf(value) { return Array.isArray(value) ? value : [value]; }
  function hasAny(wanted, there) {
    return wanted.some(function (each) { return there.indexOf(each) !== -1; });
  }
  var given = {
    channel: function () {
      for (var i = 0; i < arguments.length; i++) output.channels.push.apply(output.channels, strings(arguments[i]));
    },
    access: function (names, channels) { grant(output.access, names, channels); },
    role: function (names, roles) { grant(output.roles, names, roles); },
    reject: reject,
    requireUser: function (names) {
      if (user !== null && listOf(names).indexOf(user.name) === -1) throw { forbidden: 'wrong user' };
    },
    requireRole: function (roles) {
      if (user !== null && !hasAny(listOf(roles), user.roles)) throw { forbidden: 'missing role' };
    },
    requireAccess: function (channels) {
      if (user !== null && !hasAny(listOf(channels), user.channels)) throw { forbidden: 'missing channel access' };
    }
  };
  var decide;
  function prepare() {
    // It looks for the global object by this name; else it would make a function of a text, which is refused.
    globalThis.self = globalThis;
    globalThis._ = require('lib/underscore');
    delete globalThis.self;
    for (var name in given) globalThis[name] = given[name];
    decide = require('lib/sync');
  }
  return function (request) {
    output = { channels: [], access: [], roles: [] };
    user = request.user;
    if (decide === undefined) prepare();
    try {
      decide(request.new, request.old);
    } catch (thrown) {
      if (thrown.forbidden) reject(403, thrown.forbidden);
      else if (thrown.unauthorized) reject(401, thrown.unauthorized);
      else throw thrown;
    }
    return output.rejection ? { rejection: output.rejection } : output;
  };
})()`

let underscore: string | undefined

/** Underscore as a module of a design document. */
function underscoreText(): string {
  if (underscore === undefined) {
    const path = createRequire(import.meta.url).resolve('underscore/underscore-umd-min.js')
    underscore = readFileSync(path, 'utf8')
  }
  return underscore
}

/** The design document of a sync function's text. */
export function syncDesignText(source: string): Buffer {
  const sync = `module.exports = (${source}\n)`
  return Buffer.from(
    JSON.stringify({
      language: 'javascript',
      lib: { sync, underscore: underscoreText() },
      rewrites: RUN,
    }),
  )
}
