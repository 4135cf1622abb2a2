/** Sync functions that a gateway's database may have in a run, and what each says of a body. */
import type { ModelFunction, ModelOutput } from './gateway-model.ts'

/** A function that says other channels than the body for some of them, and may grant nothing. */
function functionOf(turned: Record<string, string>, grants: boolean): ModelFunction {
  const names = new Map(Object.entries(turned))
  const source = `function (doc, oldDoc) {
  if (doc.refused) throw({ forbidden: 'refused' });
  if (doc.guarded) requireAccess(doc.channels);
  var turned = ${JSON.stringify(turned)};
  channel((doc.channels || []).map(function (name) { return turned.hasOwnProperty(name) ? turned[name] : name; }));
  if (!${grants}) return;
  (doc.access || []).forEach(function (each) { access(each[0], each[1]); });
  (doc.roles || []).forEach(function (each) { role(each[0], each[1]); });
}`
  return {
    source,
    output({ channels, access, roles }: ModelOutput): ModelOutput {
      const all = channels.map((name) => names.get(name) ?? name)
      const given = grants ? { access, roles } : { access: [], roles: [] }
      return { channels: all.includes('*') ? ['*'] : all, ...given }
    },
  }
}

export const FUNCTIONS = [
  functionOf({}, true),
  functionOf({ a: 'b', b: 'c', c: 'a' }, true),
  functionOf({ a: 'd' }, false),
]
/** The one that a database has at first. */
export const SYNC = FUNCTIONS[0]!.source
