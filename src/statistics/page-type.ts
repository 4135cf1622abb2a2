/** The content type of the page for Prometheus, as CouchDB sends it. */
export const PAGE_TYPE = 'text/plain; version=2.0'
