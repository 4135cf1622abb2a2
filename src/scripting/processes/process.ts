/**
 * A process that runs design functions in contexts of V8's, one piece of work at a time. It blocks on its pipes and has no
 * event loop to speak of; it ends with whoever is at their other end.
 */
import { Worker } from 'node:worker_threads'
import { systemClock } from '../../base/clock.ts'
import { type Conversation, Performer } from '../threads/performer.ts'
import { type ListStep, Progress } from '../threads/protocol.ts'
import { receive, type Sent, send, type Told } from './frames.ts'
import { V8Sandbox } from './v8-sandbox.ts'
import { Watch, type WatcherData } from './watch.ts'

/** Beside what functions may take: the contexts, and what has not been collected. */
const ROOM_BYTES = 128 * 1024 * 1024

const [mostSandboxes = 1, idleMs = 0] = process.argv.slice(2).map(Number)
const progress = new Progress()
const watch = new Watch()
const workerData: WatcherData = { progress: progress.shared, watch: watch.shared }
// Else what it prints would go to the standard output, and make a pipe of it that does not block.
new Worker(new URL('./watcher.js', import.meta.url), { workerData, stdout: true, stderr: true })

const performer = new Performer({
  open: (design, limits) => new V8Sandbox(design, limits, progress.shared),
  progress,
  nowMs: () => systemClock.monotonic(),
  mostSandboxes,
  idleMs,
})

/** Nobody is there to be told of anything. An ordinary exit would wait for the watcher, whose read of its pipe may never end. */
function leave(): never {
  process.kill(process.pid, 'SIGKILL')
  throw new Error('nobody is there')
}

function received(): Sent {
  return receive() ?? leave()
}

function tell(told: Told): void {
  try {
    send(told)
  } catch {
    leave()
  }
}

const conversation: Conversation = {
  ask(step: ListStep) {
    progress.isWaiting = true
    tell({ step })
    const sent = received()
    progress.step()
    progress.isWaiting = false
    return 'answer' in sent ? sent.answer : { rows: undefined, isOver: true }
  },
}

for (;;) {
  const sent = received()
  // An answer that came when its list had ended.
  if ('answer' in sent) continue
  const { work } = sent
  progress.call = 0
  watch.begin(work.limits.timeoutMs, work.limits.memoryBytes + ROOM_BYTES)
  const reply = await performer.perform(work, conversation)
  watch.end()
  tell({ reply })
}
