/** A file system that says in strace's words what is done to it: short traces for tests, without a tracer. */
import type { FileSystem, OpenMode, StorageFile } from '../../native-free-btree/disk/file-system.ts'

const FLAGS: Record<OpenMode, string> = {
  read: 'O_RDONLY|O_CLOEXEC',
  write: 'O_RDWR|O_CLOEXEC',
  create: 'O_RDWR|O_CREAT|O_EXCL|O_CLOEXEC',
}

/** A string argument as strace prints it with -xx. */
export function quoted(bytes: Uint8Array | string): string {
  const hex = Buffer.from(bytes as never).toString('hex')
  return `"${hex.replace(/../g, '\\x$&')}"`
}

export class TracingFileSystem implements FileSystem {
  readonly lines: string[] = []
  readonly #inner: FileSystem
  #descriptors = 10

  constructor(inner: FileSystem) {
    this.#inner = inner
  }

  get text(): string {
    return this.lines.map((line) => `${line}\n`).join('')
  }

  /** Adds a call that succeeded. */
  call(name: string, args: readonly (string | number)[], result: number): void {
    this.lines.push(`1 ${name}(${args.join(', ')}) = ${result}`)
  }

  /** A request came in on connection `descriptor`. */
  request(number: number, descriptor = 5): void {
    const head = `PUT /x?number=${number} HTTP/1.1\r\n\r\n`
    this.call('read', [descriptor, quoted(head), 65536], head.length)
  }

  /** It was answered. */
  answer(descriptor = 5): void {
    const head = 'HTTP/1.1 201 Created\r\n\r\n'
    this.call('write', [descriptor, quoted(head), head.length], head.length)
  }

  async open(path: string, mode: OpenMode): Promise<StorageFile> {
    const file = await this.#inner.open(path, mode)
    const descriptor = ++this.#descriptors
    this.call('openat', ['AT_FDCWD', quoted(path), FLAGS[mode]], descriptor)
    return {
      path,
      size: () => file.size(),
      isAt: (at) => file.isAt(at),
      readSync: (target, position) => file.readSync(target, position),
      read: (target, position) => file.read(target, position),
      write: async (source, position) => {
        const args = [descriptor, quoted(source), source.length, position]
        await file.write(source, position)
        this.call('pwrite64', args, source.length)
      },
      sync: async () => {
        await file.sync()
        this.call('fdatasync', [descriptor], 0)
      },
      truncate: async (length) => {
        await file.truncate(length)
        this.call('ftruncate', [descriptor, length], 0)
      },
      close: async () => {
        await file.close()
        this.call('close', [descriptor], 0)
      },
    }
  }

  exists(path: string): Promise<boolean> {
    return this.#inner.exists(path)
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#inner.rename(from, to)
    this.call('rename', [quoted(from), quoted(to)], 0)
  }

  async remove(path: string): Promise<void> {
    const isThere = await this.#inner.exists(path)
    await this.#inner.remove(path)
    if (isThere) this.call('unlink', [quoted(path)], 0)
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#inner.syncDirectory(path)
    const descriptor = ++this.#descriptors
    this.call('openat', ['AT_FDCWD', quoted(path), 'O_RDONLY|O_DIRECTORY'], descriptor)
    this.call('fsync', [descriptor], 0)
    this.call('close', [descriptor], 0)
  }
}
