/**
 * QuickJS in WebAssembly: one instance is one engine with memory of its own, so that a design document that found a hole in
 * the engine would find itself alone there, and memory is given back by letting the instance go. The functions of its C
 * interface are those of quickjs-emscripten (`QTS_...`), called without that project's handles: texts cross as bytes.
 * Invariants:
 * - Whoever calls in sets the deadline before; the engine asks `mayGoOn` every some thousand steps, also within
 *   regular expressions.
 * - What is thrown through the engine's frames (the host's stack is at its end, a trap) leaves it in no state to be used
 *   again: `isBroken`.
 */
import * as packaged from '@jitl/quickjs-wasmfile-release-sync/emscripten-module'
import { type CompiledModule, WebAssembly } from './web-assembly.ts'

/** An address in the engine's memory; a value is the address of a JSValue that whoever gets it frees. */
type Pointer = number

export interface EngineOptions {
  /** JavaScript values of all kinds. */
  memoryBytes: number
  stackBytes: number
  /** False ends what is running, by an error that it cannot catch. */
  mayGoOn: () => boolean
  /** The one function that code in the engine has of its host. */
  host: (operation: number, text: string) => string
}

/** How a call ended: with a text, or by an error that nothing in the engine caught. */
export type Ending = { bytes: Buffer } | { error: string }

interface Module {
  HEAPU8: Uint8Array
  cwrap(name: string, result: string | null, parameters: string[]): (...values: (number | string)[]) => number
  _malloc(bytes: number): Pointer
  _free(at: Pointer): void
  callbacks: object
}

interface LoaderOptions {
  wasmMemory: object
  instantiateWasm: (imports: object, onSuccess: (instance: object) => void) => object
}

/** The package's types are those of a CommonJS module; what Node loads is an ES module. */
const loadModule = packaged.default as unknown as (options: LoaderOptions) => Promise<Module>

const PAGE_BYTES = 65_536
/** As much as the module begins with. */
const INITIAL_PAGES = 256
/** Beside the values: the engine's own data and stack, and texts that come in and go out. */
const ROOM_BYTES = 32 * 1024 * 1024
const HOST_ID = 1
const VALUE_POINTER_BYTES = 4

/** The functions of the C interface that are used, with the number of their parameters. */
const FUNCTIONS = {
  QTS_NewRuntime: 0,
  QTS_RuntimeSetMemoryLimit: 2,
  QTS_RuntimeSetMaxStackSize: 2,
  QTS_RuntimeEnableInterruptHandler: 1,
  QTS_NewContext: 2,
  QTS_Eval: 6,
  QTS_ResolveException: 2,
  QTS_GetUndefined: 0,
  QTS_NewFloat64: 2,
  QTS_GetFloat64: 2,
  QTS_NewString: 2,
  QTS_NewArrayBuffer: 3,
  QTS_NewFunction: 5,
  QTS_GetString: 2,
  QTS_GetProp: 3,
  QTS_FreeCString: 2,
  QTS_FreeValuePointer: 2,
  QTS_DupValuePointer: 2,
  QTS_ArgvGetJSValueConstPointer: 2,
  QTS_Call: 5,
  QTS_IsJobPending: 1,
} as const

type Functions = Record<keyof typeof FUNCTIONS, (...values: (number | string)[]) => number>

export class Engine {
  readonly #module: Module
  readonly #c: Functions
  readonly #runtime: Pointer
  readonly #context: Pointer
  #isBroken = false

  private constructor(module: Module, options: EngineOptions) {
    this.#module = module
    const entries = Object.entries(FUNCTIONS).map(([name, parameters]) => {
      const types = new Array<string>(parameters).fill('number')
      if (name === 'QTS_NewFunction') types[1] = 'string'
      if (name === 'QTS_Eval') types[3] = 'string'
      return [name, module.cwrap(name, 'number', types)]
    })
    this.#c = Object.fromEntries(entries) as Functions
    module.callbacks = {
      shouldInterrupt: () => (options.mayGoOn() ? 0 : 1),
      callFunction: (_: unknown, __: Pointer, ___: Pointer, count: number, values: Pointer) =>
        this.#callHost(options.host, count, values),
      freeHostRef: () => {},
    }
    this.#runtime = this.#c.QTS_NewRuntime()
    this.#c.QTS_RuntimeSetMemoryLimit(this.#runtime, options.memoryBytes)
    this.#c.QTS_RuntimeSetMaxStackSize(this.#runtime, options.stackBytes)
    this.#c.QTS_RuntimeEnableInterruptHandler(this.#runtime)
    this.#context = this.#c.QTS_NewContext(this.#runtime, 0)
  }

  /** `compiled` is the package's module, which threads share. */
  static async start(compiled: CompiledModule, options: EngineOptions): Promise<Engine> {
    const memory = new WebAssembly.Memory({
      initial: INITIAL_PAGES,
      maximum: Math.max(INITIAL_PAGES, Math.ceil((options.memoryBytes + ROOM_BYTES) / PAGE_BYTES)),
    })
    const module = await loadModule({
      wasmMemory: memory,
      instantiateWasm: (imports, onSuccess) => {
        const instance = new WebAssembly.Instance(compiled, imports)
        onSuccess(instance)
        return instance.exports
      },
    })
    return new Engine(module, options)
  }

  get isBroken(): boolean {
    return this.#isBroken
  }

  /** Bytes that the instance has taken beyond those that it began with; they never become fewer. */
  get grownBytes(): number {
    return this.#module.HEAPU8.byteLength - INITIAL_PAGES * PAGE_BYTES
  }

  /** Whether code has left jobs of promises, which nobody runs. */
  get hasJobs(): boolean {
    return this.#c.QTS_IsJobPending(this.#runtime) !== 0
  }

  /** The value of a script. It is kept for as long as the engine lives. Throws where the script does. */
  evaluate(source: string, name: string): Pointer {
    const bytes = Buffer.from(source)
    const at = this.#copyIn(bytes)
    try {
      const value = this.#c.QTS_Eval(this.#context, at, bytes.length, name, 0, 0)
      const error = this.#c.QTS_ResolveException(this.#context, value)
      if (error !== 0) throw new Error(this.#messageOf(error))
      return value
    } finally {
      this.#module._free(at)
    }
  }

  /** The host's function, for code in the engine. */
  hostFunction(): Pointer {
    return this.#c.QTS_NewFunction(this.#context, 'host', 2, 0, HOST_ID)
  }

  /** Zeros that both sides see: an ArrayBuffer there, and a reader here. */
  sharedWord(): { value: Pointer; read: () => number } {
    const at = this.#module._malloc(4)
    this.#module.HEAPU8.fill(0, at, at + 4)
    const value = this.#c.QTS_NewArrayBuffer(this.#context, at, 4)
    const read = (): number => {
      const heap = this.#module.HEAPU8
      return heap[at]! + heap[at + 1]! * 256 + heap[at + 2]! * 65_536 + heap[at + 3]! * 16_777_216
    }
    return { value, read }
  }

  number(value: number): Pointer {
    return this.#c.QTS_NewFloat64(this.#context, value)
  }

  /** The same value, to be given away. */
  copy(value: Pointer): Pointer {
    return this.#c.QTS_DupValuePointer(this.#context, value)
  }

  /** A string of UTF-8 without a zero byte. Throws where there is no room. */
  string(bytes: Uint8Array): Pointer {
    const at = this.#copyIn(bytes)
    const value = this.#c.QTS_NewString(this.#context, at)
    this.#module._free(at)
    if (this.#c.QTS_ResolveException(this.#context, value) !== 0) throw new Error('out of memory')
    return value
  }

  /** The value of a call, kept by whoever asks. Frees `values`. */
  call(callee: Pointer, values: readonly Pointer[]): Pointer | { error: string } {
    const { _malloc: allocate, _free: free } = this.#module
    const list = allocate(Math.max(1, values.length) * VALUE_POINTER_BYTES)
    try {
      new Uint32Array(this.#module.HEAPU8.buffer, list, values.length).set(values)
      const value = this.#c.QTS_Call(this.#context, callee, this.#c.QTS_GetUndefined(), values.length, list)
      const error = this.#c.QTS_ResolveException(this.#context, value)
      if (error !== 0) return { error: this.#messageOf(error) }
      return value
    } catch (error) {
      this.#isBroken = true
      return { error: String(error) }
    } finally {
      if (!this.#isBroken) {
        for (const value of values) this.#c.QTS_FreeValuePointer(this.#context, value)
        free(list)
      }
    }
  }

  /** The text that a call returns, as a copy of its bytes. Frees `values`. */
  callForText(callee: Pointer, values: readonly Pointer[]): Ending {
    const value = this.call(callee, values)
    if (typeof value !== 'number') return value
    try {
      const bytes = this.#bytesOf(value)
      this.#c.QTS_FreeValuePointer(this.#context, value)
      return bytes === undefined ? { error: 'out of memory' } : { bytes }
    } catch (error) {
      this.#isBroken = true
      return { error: String(error) }
    }
  }

  #copyIn(bytes: Uint8Array): Pointer {
    const at = this.#module._malloc(bytes.length + 1)
    if (at === 0) throw new Error('out of memory')
    const heap = this.#module.HEAPU8
    heap.set(bytes, at)
    heap[at + bytes.length] = 0
    return at
  }

  #bytesOf(value: Pointer): Buffer | undefined {
    const at = this.#c.QTS_GetString(this.#context, value)
    if (at === 0) return undefined
    const heap = this.#module.HEAPU8
    // A copy of its own, and no part of Node's pool: it goes to another thread with the whole buffer that it is in.
    const bytes = Buffer.from(heap.slice(at, heap.indexOf(0, at)).buffer)
    this.#c.QTS_FreeCString(this.#context, at)
    return bytes
  }

  /** Only the message that an error of the engine has of itself: what else was thrown may run code when it is read. */
  #messageOf(error: Pointer): string {
    try {
      const name = this.string(Buffer.from('message'))
      const message = this.#c.QTS_GetProp(this.#context, error, name)
      const text = this.#bytesOf(message)?.toString() ?? ''
      for (const value of [name, message, error]) this.#c.QTS_FreeValuePointer(this.#context, value)
      return text
    } catch (broken) {
      this.#isBroken = true
      return String(broken)
    }
  }

  #callHost(host: EngineOptions['host'], count: number, values: Pointer): Pointer {
    const at = (index: number): Pointer => this.#c.QTS_ArgvGetJSValueConstPointer(values, index)
    const operation = count > 0 ? this.#c.QTS_GetFloat64(this.#context, at(0)) : -1
    const text = count > 1 ? (this.#bytesOf(at(1))?.toString() ?? '') : ''
    return this.string(Buffer.from(host(operation, text)))
  }
}
