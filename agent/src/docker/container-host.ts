/** What all containers of this agent share: the engine, whose they are, secrets, images, and how their ports are reached. */
import type { AgentLog } from '../log.js';
import type { Engine, EngineInfo } from './engine/engine.js';
import type { ContainerState } from './engine/engine-containers.js';
import type { Address } from './health.js';
import type { Images } from './images.js';
import { networkName, type Owner, ofAgent } from './labels.js';
import type { SecretFile } from './secrets.js';

export interface ContainerHostOptions {
  readonly engine: Engine;
  readonly info: EngineInfo;
  readonly images: Images;
  readonly secrets: SecretFile;
  readonly log: AgentLog;
  /** The container in which this agent runs, where it does and the engine knows it. */
  readonly self: string | undefined;
  /** The most that a container may have: those of the engine, or fewer where the donor lends fewer. */
  cores(): number;
  owner(): Owner;
}

export class ContainerHost {
  readonly engine: Engine;
  readonly info: EngineInfo;
  readonly images: Images;
  readonly secrets: SecretFile;
  readonly log: AgentLog;
  /** Who keeps the container of a workload: the latest, where one that is being withdrawn still finishes its tasks. */
  readonly keepers = new Map<string, object>();
  readonly #self: string | undefined;
  readonly #cores: () => number;
  readonly #owner: () => Owner;
  #preparing: Promise<void> = Promise.resolve();

  constructor(options: ContainerHostOptions) {
    this.engine = options.engine;
    this.info = options.info;
    this.images = options.images;
    this.secrets = options.secrets;
    this.log = options.log;
    this.#self = options.self;
    this.#cores = options.cores;
    this.#owner = options.owner;
  }

  get cores(): number {
    return this.#cores();
  }

  get owner(): Owner {
    return this.#owner();
  }

  /**
   * The network of services: closed, it has no way out, because its addresses are not translated and nothing from beyond
   * the machine answers them. An agent in a container joins it, because 127.0.0.1 is another one there.
   */
  prepareNetwork(open: boolean): Promise<void> {
    // One at a time: two services that start together must not make it twice.
    this.#preparing = this.#preparing.catch(() => undefined).then(() => this.#network(open));
    return this.#preparing;
  }

  async #network(open: boolean): Promise<void> {
    const name = networkName(this.owner, open);
    await this.engine.networks.ensure(name, {
      Driver: 'bridge',
      Labels: { ...ofAgent(this.owner.agent) },
      Options: {
        'com.docker.network.bridge.enable_icc': this.#self === undefined ? 'false' : 'true',
        'com.docker.network.bridge.enable_ip_masquerade': open ? 'true' : 'false',
      },
    });
    if (this.#self !== undefined) await this.engine.networks.connect(name, this.#self);
  }

  /** Where a service's port is reached from here. */
  address(state: ContainerState, port: number | undefined): Address | undefined {
    if (port === undefined) return undefined;
    if (this.#self === undefined)
      return state.hostPort === undefined ? undefined : { host: '127.0.0.1', port: state.hostPort };
    const host = Object.values(state.addresses).find((address) => address !== '');
    return host === undefined ? undefined : { host, port };
  }
}
