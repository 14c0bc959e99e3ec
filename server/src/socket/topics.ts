/** Who subscribed to what, for a transport whose library has no publish of its own. */
export class Topics<Subscriber> {
  readonly #byTopic = new Map<string, Set<Subscriber>>();

  /** A copy: a subscriber may leave while it is sent to. */
  subscribers(topic: string): Subscriber[] {
    return [...(this.#byTopic.get(topic) ?? [])];
  }

  add(topic: string, subscriber: Subscriber): void {
    const subscribers = this.#byTopic.get(topic);
    if (subscribers === undefined) this.#byTopic.set(topic, new Set([subscriber]));
    else subscribers.add(subscriber);
  }

  remove(topic: string, subscriber: Subscriber): void {
    const subscribers = this.#byTopic.get(topic);
    if (subscribers?.delete(subscriber) && subscribers.size === 0) this.#byTopic.delete(topic);
  }
}
