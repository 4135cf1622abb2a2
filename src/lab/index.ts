/// <reference types="node" preserve="true" />
/** `davenport-db/lab`: what an adapter is written against. docs/LAB.md leads through one. */

export {
  type FileSystem,
  nodeFileSystem,
  type OpenMode,
  type StorageFile,
} from '../../native-free-btree/index.ts'
export * from './api.ts'
export { LabError } from './lab-error.ts'
export { loadStore } from './load-store.ts'
