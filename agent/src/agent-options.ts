/** What an agent is told at its making: where the pool is, who it says it is, what it runs, and what stands in for the machine. */
import type { Hardware, LoadSample } from '@rma/protocol/hardware';
import type { Labels } from '@rma/protocol/task';
import type { Runtime } from '@rma/workloads/runtime';
import type { LlmOptions } from './llm-runtimes.js';
import type { AgentLog } from './log.js';
import type { DonorSources } from './policy/donor.js';

export interface AgentOptions {
  /** `http(s)://HOST:PORT` or `ws(s)://HOST:PORT`. */
  readonly url: string;
  /** A join token; not needed once the state directory holds this worker's own credential. */
  readonly token?: string | undefined;
  /** Default: the platform's place for it. */
  readonly stateDir?: string | undefined;
  /** Default: the host's name. */
  readonly name?: string | undefined;
  readonly labels?: Labels | undefined;
  /** A JavaScript file with one's own handlers. */
  readonly handlersFile?: string | undefined;
  /** Servers and GGUF files of the donor's that serve language models; they run whatever is assigned. */
  readonly llm?: LlmOptions | undefined;
  /** The only workloads that this machine will run; own handlers always run. */
  readonly only?: readonly string[] | undefined;
  /** The container engine: `auto` (the default), `none`, or its URL. */
  readonly engine?: string | undefined;
  /** How often an engine that is not there is looked for again, ms. Default 20,000. */
  readonly engineLookMs?: number | undefined;
  /** Images that tasks of kind `container.run` may use, besides `jobs.images` of `worker.yaml`; `*` stands for any text. */
  readonly allowImages?: readonly string[] | undefined;
  /** Allows an address without encryption that is not this machine. */
  readonly insecure?: boolean | undefined;
  /** The donor's `worker.yaml`, watched; none: lent always and wholly. */
  readonly configFile?: string | undefined;
  /** Take orders from `rma-worker pause` and the like; default: no. */
  readonly control?: boolean | undefined;
  /** Where the facts for the donor's terms come from, in place of the machine. */
  readonly donorSources?: Partial<DonorSources> | undefined;
  readonly log?: AgentLog | undefined;
  /** Whether a person reads the log as it comes: then each task gets a line. */
  readonly people?: boolean | undefined;
  /** Run these, whatever is assigned, in place of the built-in workloads. */
  readonly runtimes?: readonly Runtime[] | undefined;
  /** What to say of the machine, in place of looking. */
  readonly hardware?: Hardware | undefined;
  /** The machine's load, every 5 s; false: don't tell. */
  readonly sample?: (() => Promise<LoadSample>) | false | undefined;
}
