/** The options of an agent: its coordinator, its identity, what it runs, and replacements for the machine's own sources. */
import type { Hardware, LoadSample } from '@rma/protocol/hardware';
import type { Labels } from '@rma/protocol/task';
import type { Runtime } from '@rma/workloads/runtime';
import type { AgentLog } from './log.js';
import type { PolicySources } from './policy/policy-monitor.js';
import type { LlmOptions } from './runtimes/llm-runtimes.js';

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
  /** A JavaScript file with the donor's own handlers. */
  readonly handlersFile?: string | undefined;
  /** Servers and GGUF files of the donor's that serve language models; they run whatever is assigned. */
  readonly llm?: LlmOptions | undefined;
  /** The only workloads that this machine will run; own handlers always run. */
  readonly only?: readonly string[] | undefined;
  /** The container engine: `auto` (the default), `none`, or its URL. */
  readonly engine?: string | undefined;
  /** Interval of the search for an engine while there is none. Default 20,000. */
  readonly engineSearchMs?: number | undefined;
  /** Patterns of images that `container.run` may use, besides `jobs.images` of `worker.yaml`. */
  readonly allowImages?: readonly string[] | undefined;
  /** Allows an address without encryption that is not this machine. */
  readonly insecure?: boolean | undefined;
  /** The donor's `worker.yaml`, watched; absent: always available, without caps or allow-lists. */
  readonly configFile?: string | undefined;
  /** Whether to listen on the control socket (`rma-worker pause` and the like); default: no. */
  readonly control?: boolean | undefined;
  /** Where the conditions of the policy are measured, in place of the machine. */
  readonly policySources?: Partial<PolicySources> | undefined;
  readonly log?: AgentLog | undefined;
  /** Whether a person watches the log: then each task is logged at level info. */
  readonly interactive?: boolean | undefined;
  /** Run these, whatever is assigned, in place of the built-in workloads. */
  readonly runtimes?: readonly Runtime[] | undefined;
  /** The machine's hardware, in place of probing it. */
  readonly hardware?: Hardware | undefined;
  /** Samples the machine's load, every 5 s; false: no samples are sent. */
  readonly sample?: (() => Promise<LoadSample>) | false | undefined;
}
