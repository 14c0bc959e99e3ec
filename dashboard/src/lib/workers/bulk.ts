/** Runs one action on many workers, AT_ONCE at a time, with progress. */
import { errorMessage } from '@rma/protocol/error';
import { bulkOutcome } from './consequences.js';

const AT_ONCE = 16;

/**
 * Resolves to a summary once all are done.
 * @param done the past tense: "Drained"
 * @throws Error with the number of failures and the first reason; the actions are idempotent, so a retry is safe
 */
export async function forEachWorker<W>(
  workers: readonly W[],
  done: string,
  work: (worker: W) => Promise<unknown>,
  onProgress: (settled: number) => void,
): Promise<string> {
  const waiting = [...workers];
  const failures: string[] = [];
  let fine = 0;
  const run = async () => {
    for (let worker = waiting.shift(); worker !== undefined; worker = waiting.shift()) {
      try {
        await work(worker);
        fine++;
      } catch (error) {
        failures.push(errorMessage(error));
      }
      onProgress(fine + failures.length);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, workers.length) }, run));
  const words = bulkOutcome(done, fine, failures);
  if (failures.length > 0) throw new Error(words);
  return words;
}
