/** Core sessions of HTTP requests: each request opens one without a socket, submits or watches a task, and closes it. */
import { ProtocolError } from '@rma/protocol/error';
import type { Refusal, TaskEnd, TaskSpec } from '@rma/protocol/task';
import type { Effects, Outgoing } from '../core/effects.js';
import type { Input } from '../core/inputs.js';
import type { Caller } from './caller.js';

/** What a request holds while it waits, beside its input. */
const OVERHEAD_BYTES = 1_024;

type Listener = (outgoing: Outgoing | ProtocolError) => void;

export class HttpSessions {
  readonly #listeners = new Map<number, Listener>();
  /** Negative: never a socket's id. */
  #nextId = -1;

  /** @param push in the turn of a flow: all requests of a subject are one */
  constructor(
    private readonly push: (input: Input, bytes: number, flow: string) => void,
    private readonly admits: (flow: string, bytes: number) => boolean,
  ) {}

  get size(): number {
    return this.#listeners.size;
  }

  /** Submits one task; resolves with its end if that comes within `waitMs`, else null. @throws ProtocolError for a refusal */
  submit(caller: Caller, spec: TaskSpec, waitMs: number, signal: AbortSignal): Promise<TaskEnd | null> {
    return this.#request(caller, { type: 'submit', tasks: [spec], watch: waitMs > 0 }, spec.id, waitMs, signal, true);
  }

  /** Waits for a task's end, as `submit` does. @throws ProtocolError where the task is not the token's */
  watch(caller: Caller, task: string, waitMs: number, signal: AbortSignal): Promise<TaskEnd | null> {
    return this.#request(caller, { type: 'watch', tasks: [{ task }] }, task, waitMs, signal, false);
  }

  perform(effects: Effects): void {
    for (const [id, outgoing] of effects.outgoing) if (id < 0) this.#listeners.get(id)?.(outgoing);
  }

  /** Ends all waiting requests with `unavailable`: the state was rebuilt, or the coordinator stops. */
  closeAll(message: string): void {
    for (const listener of [...this.#listeners.values()]) listener(new ProtocolError('unavailable', message));
  }

  #request(
    { asker, token }: Caller,
    message: Extract<Input, { type: 'message' }>['message'],
    task: string,
    waitMs: number,
    signal: AbortSignal,
    untilAccepted: boolean,
  ): Promise<TaskEnd | null> {
    const session = this.#nextId--;
    const bytes = OVERHEAD_BYTES + (message.type === 'submit' ? (message.tasks[0]?.input.length ?? 0) : 0);
    if (!this.admits(asker, bytes)) {
      throw new ProtocolError('rate_limited', 'too many of your requests wait (maxQueuedBytes); send it again shortly');
    }
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      let accepted = !untilAccepted;
      const settle = (act: () => void) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abandon);
        this.#listeners.delete(session);
        this.push({ type: 'closed', session, reason: 'done' }, 0, asker);
        act();
      };
      const abandon = () => settle(() => resolve(null));
      this.#listeners.set(session, (outgoing) => {
        const error = outgoing instanceof ProtocolError ? outgoing : errorOf(outgoing, task);
        if (error || outgoing instanceof ProtocolError) {
          settle(() => reject(error));
          return;
        }
        accepted ||= outgoing.accepted.includes(task);
        const end = outgoing.ended.find((ended) => ended.task === task);
        if (end) settle(() => resolve(end));
        else if (accepted && waitMs <= 0) settle(() => resolve(null));
      });
      if (waitMs > 0) timer = setTimeout(abandon, waitMs);
      signal.addEventListener('abort', abandon);
      const hello = { type: 'hello', protocol: 1, agent: { name: 'http', version: '1' } } as const;
      this.push({ type: 'hello', session, address: '', token, message: hello }, 0, asker);
      this.push({ type: 'message', session, message }, bytes, asker);
    });
  }
}

function errorOf(outgoing: Outgoing, task: string): ProtocolError | undefined {
  const refused = outgoing.refused.find((refusal: Refusal) => refusal.task === task)?.error;
  if (refused) return new ProtocolError(refused.kind, refused.message, refused.path, refused.expected);
  if (outgoing.close) return new ProtocolError('unauthenticated', outgoing.close.message);
  return undefined;
}
