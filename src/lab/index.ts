/// <reference types="node" preserve="true" />
/** `davenport-db/lab`: what an adapter is written against. docs/LAB.md leads through one. */
export * from './api.ts'
export { LabError } from './lab-error.ts'
export { loadStore } from './load-store.ts'
