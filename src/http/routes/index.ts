import { allDocsResources } from './database/all-docs.ts'
import { backupResources } from './database/backup.ts'
import { bulkDocsResources } from './database/bulk-docs.ts'
import { bulkGetResources } from './database/bulk-get.ts'
import { changesResources } from './database/changes.ts'
import { databaseResources } from './database/database.ts'
import { findResources } from './database/find.ts'
import { indexUpkeepResources } from './database/index-upkeep.ts'
import { localDocsResources } from './database/local-docs.ts'
import { mangoIndexResources } from './database/mango-index.ts'
import { partitionResources } from './database/partition.ts'
import { purgeResources } from './database/purge.ts'
import { revisionsResources } from './database/revisions.ts'
import { settingsResources } from './database/settings.ts'
import { shardResources } from './database/shards.ts'
import { designResources } from './design/index.ts'
import { attachmentResources } from './document/attachment.ts'
import { documentResources } from './document/document.ts'
import { localDocumentResources } from './document/local-document.ts'
import type { Resource } from './resource.ts'
import { absentResources } from './server/absent.ts'
import { analyzeResources } from './server/analyze.ts'
import { apiPageResources } from './server/api-page.ts'
import { clusterSetupResources } from './server/cluster-setup.ts'
import { dashboardResources } from './server/dashboard.ts'
import { databasesResources } from './server/databases.ts'
import { dbUpdatesResources } from './server/db-updates.ts'
import { nodeResources } from './server/node.ts'
import { openApiResources } from './server/openapi.ts'
import { replicateResources } from './server/replicate.ts'
import { reshardResources } from './server/reshard.ts'
import { schedulerResources } from './server/scheduler.ts'
import { sessionResources } from './server/session.ts'
import { tasksResources } from './server/tasks.ts'
import { utilsResources } from './server/utils.ts'
import { welcomeResources } from './server/welcome.ts'

/** Every route. Those without `endpoint` have the names that `resolve` gives by position. */
export const resources: readonly Resource[] = [
  ...absentResources,
  ...allDocsResources,
  ...apiPageResources,
  ...attachmentResources,
  ...backupResources,
  ...bulkDocsResources,
  ...bulkGetResources,
  ...changesResources,
  ...clusterSetupResources,
  ...dashboardResources,
  ...databaseResources,
  ...databasesResources,
  ...dbUpdatesResources,
  ...designResources,
  ...indexUpkeepResources,
  ...documentResources,
  ...findResources,
  ...localDocsResources,
  ...localDocumentResources,
  ...mangoIndexResources,
  ...nodeResources,
  ...openApiResources(() => resources),
  ...partitionResources,
  ...purgeResources,
  ...replicateResources,
  ...reshardResources,
  ...revisionsResources,
  ...schedulerResources,
  ...sessionResources,
  ...settingsResources,
  ...shardResources,
  ...tasksResources,
  ...analyzeResources,
  ...utilsResources,
  ...welcomeResources,
]
