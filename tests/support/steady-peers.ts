/**
 * Peers that go on across restarts of the coordinator, as PROTOCOL.md asks of clients and workers, on bare frames:
 * what they were promised is kept for the comparison afterwards.
 */
import type { Down, DownOf } from '@rma/protocol/down';
import type { AttemptResult, Dispatch, TaskEnd, TaskSpec } from '@rma/protocol/task';
import type { WorkerHello } from '@rma/protocol/worker';
import { Peer, workerHello } from './peer.js';

const REDIAL_MS = 50;

/** Dials again whenever the connection ends. */
abstract class Steady {
  /** The open session; undefined while there is none. */
  peer: Peer | undefined;
  /** Sessions so far. */
  sessions = 0;
  /** Dials that were not let in so far. */
  refusals = 0;
  #stopped = false;
  readonly #running: Promise<void>;
  readonly #waiters = new Set<() => void>();

  /** @param url asked at every dial: a coordinator that restarts may come back elsewhere */
  constructor(private readonly url: () => string) {
    this.#running = Promise.resolve().then(() => this.#run());
  }

  protected abstract greet(peer: Peer): Promise<void>;
  protected abstract receive(message: Down): void;

  /** Resolves once `done` holds; asked after every message and at each session. */
  until(done: () => boolean, what: string, timeoutMs = 20_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        clearTimeout(timer);
        this.#waiters.delete(check);
        act();
      };
      const check = () => {
        if (done()) settle(resolve);
      };
      const timer = setTimeout(
        () => settle(() => reject(new Error(`${timeoutMs} ms passed before ${what}`))),
        timeoutMs,
      );
      this.#waiters.add(check);
      check();
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.peer?.kill();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const peer = await Peer.dial(this.url()).catch(() => undefined);
      if (peer) await this.#session(peer);
      if (!this.#stopped) await new Promise((resolve) => setTimeout(resolve, REDIAL_MS));
    }
  }

  async #session(peer: Peer): Promise<void> {
    peer.onMessage = (message) => {
      if (message.type === 'welcome') return false;
      this.receive(message);
      this.#notify();
      return true;
    };
    try {
      await this.greet(peer);
      this.peer = peer;
      this.sessions++;
      this.#notify();
      if (this.#stopped) await peer.kill();
    } catch {
      // The coordinator went away, or could not write the session down, before the welcome: dial again.
      this.refusals++;
      this.#notify();
      await peer.kill();
    }
    await peer.closed;
    this.peer = undefined;
  }

  #notify(): void {
    for (const check of [...this.#waiters]) check();
  }
}

export class SteadyClient extends Steady {
  /** Sent and neither accepted nor refused: sent again after a reconnect. */
  readonly unanswered = new Map<string, TaskSpec>();
  readonly accepted = new Set<string>();
  /** The kinds of refusals, by task. A test submits again what it wants taken. */
  readonly refused = new Map<string, string>();
  readonly ended = new Map<string, TaskEnd>();

  constructor(
    url: () => string,
    private readonly token: string,
  ) {
    super(url);
  }

  submit(...tasks: TaskSpec[]): void {
    for (const task of tasks) {
      this.unanswered.set(task.id, task);
      this.refused.delete(task.id);
    }
    this.peer?.send({ type: 'submit', tasks, watch: true });
  }

  /** Resolves once it is accepted or refused, with the kind of the refusal. */
  async answer(task: TaskSpec): Promise<string> {
    this.submit(task);
    await this.until(() => !this.unanswered.has(task.id), `an answer for ${task.id}`);
    return this.refused.get(task.id) ?? 'accepted';
  }

  protected async greet(peer: Peer): Promise<void> {
    await peer.hello({ token: this.token });
    const again = [...this.unanswered.values()];
    for (let i = 0; i < again.length; i += 100) {
      peer.send({ type: 'submit', tasks: again.slice(i, i + 100), watch: true });
    }
    const open = [...this.accepted].filter((id) => !this.ended.has(id));
    for (let i = 0; i < open.length; i += 1_000) {
      peer.send({ type: 'watch', tasks: open.slice(i, i + 1_000).map((task) => ({ task })) });
    }
  }

  protected receive(message: Down): void {
    if (message.type === 'accepted') {
      for (const id of message.tasks) {
        this.accepted.add(id);
        this.unanswered.delete(id);
      }
    } else if (message.type === 'refused') {
      for (const { task, error } of message.tasks) {
        this.refused.set(task, error.kind);
        this.unanswered.delete(task);
      }
    } else if (message.type === 'ended') {
      for (const end of message.tasks) this.ended.set(end.task, end);
    }
  }
}

const keyOf = ({ task, attempt }: { task: string; attempt: number }) => `${task}#${attempt}`;

export class SteadyWorker extends Steady {
  /** Given and not answered. */
  readonly running = new Map<string, Dispatch>();
  /** Sent and not acknowledged: sent again where a reconnect's verdict says so. */
  readonly finished = new Map<string, AttemptResult>();
  readonly acknowledged = new Map<string, AttemptResult>();
  /** Answers a dispatch at once with this output; undefined holds the attempt for `finish`. */
  answer: (dispatch: Dispatch) => Uint8Array | undefined = () => undefined;
  readonly #hello: WorkerHello;

  constructor(
    url: () => string,
    private credential: string,
    hello: Parameters<typeof workerHello>[0] = {},
  ) {
    super(url);
    this.#hello = workerHello(hello);
  }

  finish(dispatch: Dispatch, output: Uint8Array): void {
    const { task, attempt } = dispatch;
    const result = { task, attempt, output };
    this.running.delete(keyOf(result));
    this.finished.set(keyOf(result), result);
    this.peer?.send({ type: 'results', results: [result] });
  }

  protected async greet(peer: Peer): Promise<void> {
    const refs = (attempts: Iterable<{ task: string; attempt: number }>) =>
      Array.from(attempts, ({ task, attempt }) => ({ task, attempt }));
    const worker = { ...this.#hello, running: refs(this.running.values()), finished: refs(this.finished.values()) };
    const welcome = await peer.hello({ token: this.credential, worker });
    this.credential = welcome.worker?.credential ?? this.credential;
    this.#reconcile(peer, welcome);
    // What finished while the hello was on its way was not in it.
    const named = new Set(worker.finished.map(keyOf));
    const results = [...this.finished.values()].filter((result) => !named.has(keyOf(result)));
    if (results.length > 0) peer.send({ type: 'results', results });
  }

  #reconcile(peer: Peer, welcome: DownOf<'welcome'>): void {
    for (const verdict of welcome.worker?.verdicts ?? []) {
      const key = keyOf(verdict);
      const result = this.finished.get(key);
      if (verdict.verdict === 'resend' && result) peer.send({ type: 'results', results: [result] });
      if (verdict.verdict === 'drop') this.finished.delete(key);
      if (verdict.verdict === 'stop') this.running.delete(key);
    }
  }

  protected receive(message: Down): void {
    if (message.type === 'dispatch') for (const dispatch of message.tasks) this.#take(dispatch);
    else if (message.type === 'acknowledged') {
      for (const ref of message.results ?? []) {
        const result = this.finished.get(keyOf(ref));
        this.finished.delete(keyOf(ref));
        if (result) this.acknowledged.set(keyOf(ref), result);
      }
    }
  }

  #take(dispatch: Dispatch): void {
    const key = keyOf(dispatch);
    if (this.running.has(key) || this.finished.has(key)) return;
    this.running.set(key, dispatch);
    const output = this.answer(dispatch);
    if (output) this.finish(dispatch, output);
  }
}
