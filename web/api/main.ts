/** Shows `/_openapi.json` by Swagger UI, which the page has loaded before this. */
type SwaggerUi = (options: Readonly<Record<string, unknown>>) => unknown

declare const SwaggerUIBundle: SwaggerUi

/** The colours of the viewer's dark form, which it has no switch for without its frame. */
const dark = matchMedia('(prefers-color-scheme: dark)')

function followColours(): void {
  document.documentElement.classList.toggle('dark-mode', dark.matches)
}

followColours()
dark.addEventListener('change', followColours)

SwaggerUIBundle({
  dom_id: '#api',
  url: new URL('../../_openapi.json', location.href).href,
  deepLinking: true,
  docExpansion: 'none',
  filter: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  operationsSorter: 'alpha',
  persistAuthorization: false,
  // It would send the document to a server of its maker's.
  validatorUrl: null,
})
