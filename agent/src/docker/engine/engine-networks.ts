/** The networks of an engine. */
import type Docker from 'dockerode';
import { type Connection, labelFilter } from './connection.js';
import { EngineError } from './engine-error.js';

export class EngineNetworks {
  readonly #calls: Connection;

  constructor(connection: Connection) {
    this.#calls = connection;
  }

  /** Creates a network unless it exists. */
  async ensure(name: string, options: Omit<Docker.NetworkCreateOptions, 'Name'>): Promise<void> {
    if ((await this.#calls.maybe(() => this.#calls.docker.getNetwork(name).inspect())) !== undefined) return;
    try {
      await this.#calls.call(() => this.#calls.docker.createNetwork({ ...options, Name: name, CheckDuplicate: true }));
    } catch (error) {
      // 409: another process created it meanwhile.
      if (!(error instanceof EngineError) || error.status !== 409) throw error;
    }
  }

  async list(labels: Readonly<Record<string, string>>): Promise<string[]> {
    const all = await this.#calls.call(() =>
      this.#calls.docker.listNetworks({ filters: { label: labelFilter(labels) } }),
    );
    return all.map(({ Id }) => Id);
  }

  /** Removes it, unless containers still use it. */
  async remove(name: string): Promise<void> {
    try {
      await this.#calls.maybe(() => this.#calls.docker.getNetwork(name).remove());
    } catch (error) {
      if (!(error instanceof EngineError) || error.status !== 403) throw error;
    }
  }

  async connect(name: string, container: string): Promise<void> {
    try {
      await this.#calls.call(() => this.#calls.docker.getNetwork(name).connect({ Container: container }));
    } catch (error) {
      // 403: it is connected already.
      if (!(error instanceof EngineError) || error.status !== 403) throw error;
    }
  }
}
