/** The networks of an engine. */
import type Docker from 'dockerode';
import type { Connection } from './connection.js';
import { EngineError } from './engine-error.js';
import { labelFilter } from './label-filter.js';

export class EngineNetworks {
  readonly #calls: Connection;

  constructor(connection: Connection) {
    this.#calls = connection;
  }

  /** Makes a network unless it is there. */
  async ensure(name: string, options: Omit<Docker.NetworkCreateOptions, 'Name'>): Promise<void> {
    if ((await this.#calls.maybe(() => this.#calls.docker.getNetwork(name).inspect())) !== undefined) return;
    try {
      await this.#calls.call(() => this.#calls.docker.createNetwork({ ...options, Name: name, CheckDuplicate: true }));
    } catch (error) {
      // Somebody else was quicker.
      if (!(error instanceof EngineError) || error.status !== 409) throw error;
    }
  }

  async list(labels: Readonly<Record<string, string>>): Promise<string[]> {
    const all = await this.#calls.call(() =>
      this.#calls.docker.listNetworks({ filters: { label: labelFilter(labels) } }),
    );
    return all.map(({ Id }) => Id);
  }

  /** Leaves it where containers still use it. */
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
      // It is connected already.
      if (!(error instanceof EngineError) || error.status !== 403) throw error;
    }
  }
}
