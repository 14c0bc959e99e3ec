/** The answer to `logs`: the last lines of the services that keep a log, the newest of them within 64 KiB. */
import type { DownOf } from '@rma/protocol/down';
import { errorMessage } from '@rma/protocol/error';
import type { UpOf } from '@rma/protocol/up';
import type { LogLine } from '@rma/protocol/worker';
import type { Runtime } from '@rma/workloads/runtime';

const MAX_CHARACTERS = 65_536;

/** Never rejects: the answer carries the error. */
export async function answerLogs(
  runtimes: readonly Runtime[],
  { ref, service, lines, since }: DownOf<'logs'>,
): Promise<UpOf<'log.lines'>> {
  const named = runtimes.flatMap((runtime) => {
    const name = runtime.services()[0]?.name;
    return name !== undefined && (service === undefined || service === name) ? [{ runtime, name }] : [];
  });
  const keeping = named.filter(({ runtime }) => runtime.logs !== undefined);
  if (keeping.length === 0) {
    const error =
      service === undefined
        ? 'no service of this worker runs in a container; only containers keep a log here'
        : `${service} does not run in a container; only containers keep a log here`;
    return { type: 'log.lines', ref, lines: [], error };
  }
  try {
    const all = await Promise.all(
      keeping.map(async ({ runtime, name }) => {
        const its = (await runtime.logs?.(lines, since)) ?? [];
        return its.map((line): LogLine => ({ service: name, ...line }));
      }),
    );
    const sorted = all.flat().sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
    return { type: 'log.lines', ref, lines: newest(sorted, lines) };
  } catch (error) {
    const message = `the log cannot be read: ${errorMessage(error)}`;
    return { type: 'log.lines', ref, lines: [], error: message.slice(0, 500).replace(/\s+/g, ' ') };
  }
}

function newest(lines: readonly LogLine[], most: number): LogLine[] {
  let characters = 0;
  let from = lines.length;
  while (from > 0 && lines.length - from < most) {
    const line = lines[from - 1];
    characters += (line?.text.length ?? 0) + 64;
    if (characters > MAX_CHARACTERS) break;
    from -= 1;
  }
  return lines.slice(from);
}
