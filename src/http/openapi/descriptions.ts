import type { RouteName } from '../request/rights.ts'
import { DATABASE_ROUTES } from './database-routes.ts'
import type { Description } from './description.ts'
import { DESIGN_ROUTES } from './design-routes.ts'
import { DOCUMENT_ROUTES } from './document-routes.ts'
import { SERVER_ROUTES } from './server-routes.ts'

/** By the name of the route: one without a description does not compile. */
export const DESCRIPTIONS: Readonly<Record<RouteName, Description>> = {
  ...SERVER_ROUTES,
  ...DATABASE_ROUTES,
  ...DOCUMENT_ROUTES,
  ...DESIGN_ROUTES,
}
