/** What every producer does: answers `{measure, tasks, inFlight}` from its parent with the time and the latencies. */

const PAYLOAD_BYTES = 100;

let last = Date.now();
let counter = 0;
/** A UUIDv7; the same for every system, so that its cost is nobody's advantage. */
function nextId() {
  last = Math.max(last, Date.now());
  const time = last.toString(16).padStart(12, '0');
  counter = (counter + 1) % 0x0fffffff;
  const tail = counter.toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${process.pid.toString(16).padStart(3, '0').slice(-3)}-8000-${tail}`;
}

/**
 * @param {{submit(id: string, input: Uint8Array): void, onEnded(listener: (id: string) => void): void}} system
 */
export function runProducer(system) {
  const input = Buffer.alloc(PAYLOAD_BYTES, 7);
  process.on('message', ({ tasks, inFlight }) => {
    const startedAt = new Map();
    const latencies = new Float64Array(tasks);
    let submitted = 0;
    let ended = 0;
    const began = performance.now();
    const submit = () => {
      const id = nextId();
      submitted++;
      startedAt.set(id, performance.now());
      system.submit(id, input);
    };
    system.onEnded((id) => {
      const at = startedAt.get(id);
      if (at === undefined) throw new Error(`the task ${id} ended twice, or was never submitted`);
      startedAt.delete(id);
      latencies[ended++] = performance.now() - at;
      if (submitted < tasks) submit();
      else if (ended === tasks) {
        const ms = performance.now() - began;
        latencies.sort();
        const percentile = (share) => latencies[Math.min(tasks - 1, Math.floor(tasks * share))];
        process.send({ tasksPerSecond: (tasks / ms) * 1_000, p50Ms: percentile(0.5), p99Ms: percentile(0.99) });
      }
    });
    for (let i = 0; i < Math.min(inFlight, tasks); i++) submit();
  });
  process.send({ ready: true });
}
