/**
 * Lets the mutations of one resource go one after the other, so that each plans on what the one before has committed.
 * For speed only: that nothing is overwritten is the store's conditional commit's affair.
 */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /** Runs something when all that came before it for the same resource has ended, whether well or not. */
  async run<T>(resource: string, action: () => Promise<T>): Promise<T> {
    const before = this.#last.get(resource);
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    this.#last.set(resource, ended);
    try {
      await before;
      return await action();
    } finally {
      if (this.#last.get(resource) === ended) {
        this.#last.delete(resource);
      }
      end();
    }
  }
}
