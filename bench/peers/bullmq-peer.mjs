/** BullMQ's producer and worker: `bullmq-peer.mjs producer|worker REDIS-PORT`. */
import { Queue, QueueEvents, Worker } from 'bullmq';
import { runProducer } from './producer.mjs';

const [role, port] = process.argv.slice(2);
const connection = { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null };
if (role === 'worker') {
  const worker = new Worker('bench', async (job) => job.data.input, { connection, concurrency: 64 });
  await worker.waitUntilReady();
  process.send({ ready: true });
} else {
  const queue = new Queue('bench', { connection });
  const events = new QueueEvents('bench', { connection });
  await events.waitUntilReady();
  let onEnded = () => undefined;
  events.on('completed', ({ jobId }) => onEnded(jobId));
  runProducer({
    submit: (id, input) =>
      void queue.add('noop', { input: input.toString('latin1') }, { jobId: id, removeOnComplete: 1_000 }),
    onEnded: (listener) => {
      onEnded = listener;
    },
  });
}
