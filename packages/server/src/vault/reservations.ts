/** A reservation takes as long as its call; whoever forgets to end it keeps the others waiting no longer than this. */
const PATIENCE_MS = 5000;

/**
 * Lets one reservation of a key be under way at a time, so that a crowd of calls waits for one write instead of planning
 * writes of which all but one are outdated. For speed only: that nothing is given twice is the conditional commit's affair.
 */
export class Reservations {
  readonly #underWay = new Map<string, Promise<void>>();

  /** Resolves when the key's reservation has ended, whether well or not. undefined: none is under way. */
  underWay(id: string): Promise<void> | undefined {
    return this.#underWay.get(id);
  }

  /** Begins one. @returns Ends it, and does nothing when it is called again. */
  begin(id: string): () => void {
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const end = (): void => {
      clearTimeout(timer);
      if (this.#underWay.get(id) === ended) {
        this.#underWay.delete(id);
      }
      resolve();
    };
    const timer = setTimeout(end, PATIENCE_MS);
    this.#underWay.set(id, ended);
    return end;
  }
}
