/** A thread that runs design functions in QuickJS. What it holds is what is warm; it can be ended at any moment. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { systemClock } from '../../base/clock.ts'
import { restOften } from '../../base/rest.ts'
import { Sandbox } from '../sandbox/sandbox.ts'
import { type Conversation, Performer } from './performer.ts'
import {
  AnswerCount,
  type ListAnswer,
  Progress,
  type Reply,
  type ThreadData,
  type ThreadListJob,
  type Work,
} from './protocol.ts'

const { module, progress: shared, mostSandboxes, idleMs, restsOften } = workerData as ThreadData
if (restsOften) restOften({ stepBack: true })
const progress = new Progress(shared)
const nowMs = (): number => systemClock.monotonic()
const onStep = (): void => progress.step()

const performer = new Performer({
  open: (design, limits) => Sandbox.open(design, { module, limits, nowMs, onStep }),
  progress,
  nowMs,
  mostSandboxes,
  idleMs,
})

function conversationOf({ port, answers }: ThreadListJob): Conversation {
  const count = new AnswerCount(answers)
  return {
    ask(step) {
      port.postMessage(step)
      progress.isWaiting = true
      count.take()
      progress.isWaiting = false
      progress.step()
      const received = receiveMessageOnPort(port) as { message: ListAnswer } | undefined
      return received?.message ?? { rows: undefined, isOver: true }
    },
  }
}

async function perform(work: Work): Promise<Reply> {
  const { job } = work
  if (job.do !== 'list') return performer.perform({ ...work, job })
  try {
    return await performer.perform({ ...work, job }, conversationOf(job))
  } finally {
    job.port.close()
  }
}

/** What is long is given away, and not copied. */
const LEAST_GIVEN_BYTES = 64 * 1024

function buffersOf({ outcomes }: Reply): ArrayBuffer[] {
  return outcomes.flatMap((outcome) => {
    if (!('bytes' in outcome) || outcome.bytes.length < LEAST_GIVEN_BYTES) return []
    return [outcome.bytes.buffer as ArrayBuffer]
  })
}

parentPort!.on('message', (work: Work) => {
  void perform(work).then((reply) => parentPort!.postMessage(reply, buffersOf(reply)))
})
