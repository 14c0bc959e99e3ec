/** The volumes of an engine. */
import { type Connection, labelFilter } from './connection.js';

export class EngineVolumes {
  readonly #calls: Connection;

  constructor(connection: Connection) {
    this.#calls = connection;
  }

  async create(name: string, labels: Readonly<Record<string, string>>): Promise<void> {
    await this.#calls.call(() => this.#calls.docker.createVolume({ Name: name, Labels: { ...labels } }));
  }

  async list(labels: Readonly<Record<string, string>>): Promise<string[]> {
    const { Volumes } = await this.#calls.call(() =>
      this.#calls.docker.listVolumes({ filters: { label: labelFilter(labels) } }),
    );
    return (Volumes ?? []).map(({ Name }) => Name);
  }

  async remove(name: string): Promise<void> {
    await this.#calls.maybe(() => this.#calls.docker.getVolume(name).remove({ force: true }));
  }
}
