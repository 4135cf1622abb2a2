/** What browsers are told of other origins: `[cors]`, `[cors:HOST]`, `[x_frame_options]`, `[csp]`. */
import { entries, flag, headerText, integer, names, text } from '../setting.ts'

/** A key of `[cors:HOST]`, which is given as `HOST/KEY`. */
function corsOfHost(input: string, name: string): unknown {
  const key = name.slice(name.lastIndexOf('/') + 1)
  const found = Object.values(BROWSERS).find((each) => each.section === 'cors' && each.key === key)
  if (found === undefined) throw new Error('a key of [cors]')
  return found.parse(input)
}

const UTILS_POLICY =
  "child-src 'self' data: blob:; default-src 'self'; img-src 'self' data:; font-src 'self'; " +
  "script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline';"

export const BROWSERS = {
  corsOrigins: text({
    section: 'cors',
    key: 'origins',
    default: undefined as readonly string[] | undefined,
    parse: names,
    effect: 'live',
    doc: 'Origins whose scripts are served; * is every one.',
  }),
  corsCredentials: flag({
    section: 'cors',
    key: 'credentials',
    default: false,
    effect: 'live',
    doc: 'Whether such scripts may use the cookies and passwords that the browser keeps.',
  }),
  corsMethods: text({
    section: 'cors',
    key: 'methods',
    default: undefined as readonly string[] | undefined,
    parse: names,
    effect: 'live',
    doc: "Methods that such scripts may use; default CouchDB's, which are all but PATCH.",
  }),
  corsHeaders: text({
    section: 'cors',
    key: 'headers',
    default: undefined as readonly string[] | undefined,
    parse: names,
    effect: 'live',
    doc: 'Headers that such scripts may send; default the usual ones.',
  }),
  corsExposedHeaders: text({
    section: 'cors',
    key: 'exposed_headers',
    default: undefined as readonly string[] | undefined,
    parse: names,
    effect: 'live',
    doc: "Headers of answers that such scripts may read, in the place of CouchDB's.",
  }),
  corsMaxAgeSeconds: integer({
    section: 'cors',
    key: 'max_age',
    default: 600,
    min: 0,
    max: 2 ** 31,
    effect: 'live',
    doc: 'Seconds for which a browser may remember what it was allowed.',
  }),
  corsByHost: entries({
    section: 'cors:*',
    parseEntry: corsOfHost,
    effect: 'live',
    doc: 'The keys of [cors] for requests to one host, as in [cors:example.com]; the others are those of [cors].',
  }),
  frameSameOrigin: flag({
    section: 'x_frame_options',
    key: 'same_origin',
    default: false,
    effect: 'live',
    doc: 'Whether they are pages of this server.',
  }),
  frameHosts: text({
    section: 'x_frame_options',
    key: 'hosts',
    default: undefined as readonly string[] | undefined,
    parse: names,
    effect: 'live',
    doc: 'Addresses of this server, as https://db.example, that are shown in frames; others are not; * is every one.',
  }),
  attachmentPolicyEnabled: flag({
    section: 'csp',
    key: 'attachments_enable',
    default: true,
    effect: 'live',
    doc: 'Whether attachments come with Content-Security-Policy, so that browsers do not run what is in them.',
  }),
  attachmentPolicy: text({
    section: 'csp',
    key: 'attachments_header_value',
    default: 'sandbox',
    parse: headerText,
    effect: 'live',
    doc: 'What that says.',
  }),
  utilsPolicyEnabled: flag({
    section: 'csp',
    key: 'utils_enable',
    default: true,
    effect: 'live',
    doc: 'Whether the pages of /_utils/ come with it.',
  }),
  utilsPolicy: text({
    section: 'csp',
    key: 'utils_header_value',
    default: UTILS_POLICY,
    parse: headerText,
    effect: 'live',
    doc: 'What that says.',
  }),
  oldUtilsPolicyEnabled: flag({
    section: 'csp',
    key: 'enable',
    default: true,
    effect: 'live',
    doc: 'The older key of the same, which counts where utils_enable is false.',
  }),
  oldUtilsPolicy: text({
    section: 'csp',
    key: 'header_value',
    default: UTILS_POLICY,
    parse: headerText,
    effect: 'live',
    doc: 'What it says then.',
  }),
  functionPolicyEnabled: flag({
    section: 'csp',
    key: 'showlist_enable',
    default: true,
    effect: 'live',
    doc: 'Whether answers of shows, lists, updates and rewrites come with it.',
  }),
  functionPolicy: text({
    section: 'csp',
    key: 'showlist_header_value',
    default: 'sandbox',
    parse: headerText,
    effect: 'live',
    doc: 'What that says, unless the function says something else.',
  }),
}
