/** The part of the WebAssembly interface that is used; the library of types for Node has none. */

/** Opaque; can be sent to another thread, which then need not compile it. */
export interface CompiledModule {
  readonly isCompiledModule?: never
}

interface WebAssemblyInterface {
  compile(bytes: Uint8Array): Promise<CompiledModule>
  Memory: new (size: { initial: number; maximum: number }) => object
  Instance: new (module: CompiledModule, imports: object) => { exports: object }
}

export const WebAssembly = Reflect.get(globalThis, 'WebAssembly') as WebAssemblyInterface
