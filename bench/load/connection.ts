/** One connection with at most one request under way. */
export interface Connection {
  /**
   * Sends the prepared request and calls back once its answer is there.
   * @param done Gets what was wrong, undefined for the expected success.
   */
  exchange(done: (problem: string | undefined) => void): void;
  close(): void;
}
