import type { Resource } from '../resource.ts'
import { absentResources } from './absent.ts'
import { allDocsResources } from './all-docs.ts'
import { attachmentResources } from './attachment.ts'
import { backupResources } from './backup.ts'
import { bulkDocsResources } from './bulk-docs.ts'
import { bulkGetResources } from './bulk-get.ts'
import { changesResources } from './changes.ts'
import { databaseResources } from './database.ts'
import { databasesResources } from './databases.ts'
import { dbUpdatesResources } from './db-updates.ts'
import { documentResources } from './document.ts'
import { localDocsResources } from './local-docs.ts'
import { localDocumentResources } from './local-document.ts'
import { nodeResources } from './node.ts'
import { partitionResources } from './partition.ts'
import { purgeResources } from './purge.ts'
import { revisionsResources } from './revisions.ts'
import { sessionResources } from './session.ts'
import { settingsResources } from './settings.ts'
import { welcomeResources } from './welcome.ts'

/** Every route; `resolve` gives no name that is not here. */
export const resources: readonly Resource[] = [
  ...absentResources,
  ...allDocsResources,
  ...attachmentResources,
  ...backupResources,
  ...bulkDocsResources,
  ...bulkGetResources,
  ...changesResources,
  ...databaseResources,
  ...databasesResources,
  ...dbUpdatesResources,
  ...documentResources,
  ...localDocsResources,
  ...localDocumentResources,
  ...nodeResources,
  ...partitionResources,
  ...purgeResources,
  ...revisionsResources,
  ...sessionResources,
  ...settingsResources,
  ...welcomeResources,
]
