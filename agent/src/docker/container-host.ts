/** What all containers of this agent share: engine, owner, secrets, images, network, and the address of a port. */
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
  /** The id of the container in which this agent runs, if it does and the engine knows it. */
  readonly self: string | undefined;
  /** The most cores of a container: min(the engine's, the cap). */
  cores(): number;
  owner(): Owner;
}

export class ContainerHost {
  readonly engine: Engine;
  readonly info: EngineInfo;
  readonly images: Images;
  readonly secrets: SecretFile;
  readonly log: AgentLog;
  /** By workload, the service that owns its container: the latest, while a withdrawn one still finishes its tasks. */
  readonly containerOwners = new Map<string, object>();
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
   * The network of services. A closed one has no way out: its addresses are not translated, so nothing outside the machine
   * can answer them. An agent in a container joins the network, because 127.0.0.1 is its own container's there.
   */
  prepareNetwork(open: boolean): Promise<void> {
    // One at a time, because engines create two networks of one name without an error.
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

  /** The address of a service's port as seen from this process. */
  address(state: ContainerState, port: number | undefined): Address | undefined {
    if (port === undefined) return undefined;
    if (this.#self === undefined)
      return state.hostPort === undefined ? undefined : { host: '127.0.0.1', port: state.hostPort };
    const host = Object.values(state.addresses).find((address) => address !== '');
    return host === undefined ? undefined : { host, port };
  }
}
