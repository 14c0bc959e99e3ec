/**
 * A container engine behind plain values: containers, images, volumes, networks; every error is an `EngineError` that says
 * whether the engine itself is gone. Docker, or Podman's Docker API. Only this folder imports dockerode.
 */
import { CALL_MS, Connection, type EngineAddress } from './connection.js';
import { EngineContainers } from './engine-containers.js';
import { EngineImages } from './engine-images.js';
import { EngineNetworks } from './engine-networks.js';
import { EngineVolumes } from './engine-volumes.js';

export interface EngineInfo {
  readonly name: string;
  readonly version: string;
  readonly nvidia: boolean;
  readonly rootless: boolean;
  /** Cores that containers may use. */
  readonly cores: number;
  /** Its data directory, on its own machine. */
  readonly rootDir?: string;
}

export class Engine {
  readonly containers: EngineContainers;
  readonly images: EngineImages;
  readonly volumes: EngineVolumes;
  readonly networks: EngineNetworks;
  readonly #connection: Connection;

  constructor(address: EngineAddress) {
    const connection = new Connection(address);
    this.#connection = connection;
    this.containers = new EngineContainers(connection);
    this.images = new EngineImages(connection);
    this.volumes = new EngineVolumes(connection);
    this.networks = new EngineNetworks(connection);
  }

  /** @throws EngineError when nothing answers within the time */
  async ping(timeoutMs = CALL_MS): Promise<void> {
    await this.#connection.call(() => this.#connection.docker.ping(), timeoutMs);
  }

  async info(timeoutMs = CALL_MS): Promise<EngineInfo> {
    const [version, info] = await Promise.all([
      this.#connection.call(() => this.#connection.docker.version(), timeoutMs),
      this.#connection.call(() => this.#connection.docker.info() as Promise<Record<string, unknown>>, timeoutMs),
    ]);
    const security = Array.isArray(info.SecurityOptions) ? info.SecurityOptions.map(String) : [];
    const podman = version.Components?.some(({ Name }) => Name.startsWith('Podman')) === true;
    const gpus = [
      ...Object.keys((info.Runtimes as object | undefined) ?? {}),
      JSON.stringify(info.DiscoveredDevices ?? ''),
    ];
    return {
      name: podman ? 'podman' : 'docker',
      version: version.Version,
      nvidia: gpus.some((text) => text.includes('nvidia')),
      rootless: security.some((option) => option.includes('rootless')),
      cores: typeof info.NCPU === 'number' && info.NCPU > 0 ? info.NCPU : 1,
      ...(typeof info.DockerRootDir === 'string' ? { rootDir: info.DockerRootDir } : {}),
    };
  }
}
