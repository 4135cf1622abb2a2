/**
 * All documents, in batches of 1,000, each batch durable before the next. Rates are of the time within the
 * commits; CPU is that of the whole process from the first commit to the last, less what making the documents
 * costs, measured before.
 */
import { performance } from 'node:perf_hooks'
import { DOCUMENT_BYTES, Documents } from '../../../src/lab/measure/documents.ts'
import { cpuUs, folderBytes, peakMemoryBytes } from '../../../src/lab/measure/process-figures.ts'
import { BareFile } from '../../peers/bare-file.ts'
import { CommitSamples } from '../commits.ts'
import { BARE, type Figures, type StepContext } from '../step.ts'

const BATCH = 1000
/** Until then the JIT compiler takes more than the engine: these, or a tenth of a small load. */
const WARM_COMMITS = 50
const CALIBRATION_DOCUMENTS = 50_000

export async function load(context: StepContext): Promise<Figures> {
  const { documents, seed, folder } = context
  const made = new Documents(seed)
  const makingUs = costOfMaking(made)
  const samples = new CommitSamples(Math.ceil(documents / BATCH))
  const baseBytes = peakMemoryBytes()
  if (context.engine === BARE) return bareLoad(context, samples)
  const store = await context.open().open(context.path, context)
  const cpu = cpuUs()
  for (let at = 0; at < documents; at += BATCH) {
    await samples.commit(store, made.batch(at, Math.min(BATCH, documents - at)))
    context.progress(at / documents)
  }
  const cpuPerDocument = (cpuUs() - cpu) / documents - makingUs
  const before = performance.now()
  await store.close()
  return {
    ...figuresOf(samples, documents),
    'load.cpuPerDocument': cpuPerDocument,
    'load.closeMs': performance.now() - before,
    'load.fileBytes': folderBytes(folder),
    'load.peakMemory': peakMemoryBytes(),
    'load.baseMemory': baseBytes,
  }
}

async function bareLoad(context: StepContext, samples: CommitSamples): Promise<Figures> {
  const { documents, path } = context
  const file = new BareFile(path)
  const bytes = Buffer.alloc(BATCH * DOCUMENT_BYTES, 1)
  const cpu = cpuUs()
  for (let at = 0; at < documents; at += BATCH) {
    await samples.bareCommit(file, bytes.subarray(0, Math.min(BATCH, documents - at) * DOCUMENT_BYTES), true)
    context.progress(at / documents)
  }
  const cpuPerDocument = (cpuUs() - cpu) / documents
  file.close()
  return { ...figuresOf(samples, documents), 'load.cpuPerDocument': cpuPerDocument }
}

function figuresOf({ wall, cpu, threadCpu }: CommitSamples, documents: number): Figures {
  return {
    'load.rate': documents / (wall.sum / 1e6),
    ...wall.figures('load.commit'),
    ...cpu.figures('load.commitCpu'),
    'load.commitCpu.worstWarm': cpu.worstAfter(Math.min(WARM_COMMITS, Math.floor(cpu.count / 10))),
    ...threadCpu.figures('load.commitThreadCpu'),
  }
}

/** CPU of making one document, in µs. */
function costOfMaking(made: Documents): number {
  made.batch(0, CALIBRATION_DOCUMENTS / 5)
  const cpu = cpuUs()
  for (let at = 0; at < CALIBRATION_DOCUMENTS; at += BATCH) made.batch(at, BATCH)
  return (cpuUs() - cpu) / CALIBRATION_DOCUMENTS
}
