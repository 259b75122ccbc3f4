/** A map that forgets what was used longest ago once it holds more than `capacity` entries. */
export class Lru<V> {
  readonly #capacity: number;
  readonly #entries = new Map<string, V>();
  /**
   * Stands before the entry used longest ago. It never passes one that stays: each that it gives is deleted, and what is
   * used or set goes to the end. A new one for each would walk over all that were deleted since the map was last packed.
   */
  readonly #oldest = this.#entries.keys();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get(key: string): V | undefined {
    const value = this.#entries.get(key);
    if (value !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, value);
    }
    return value;
  }

  /** As `get`, but it does not count as a use. */
  peek(key: string): V | undefined {
    return this.#entries.get(key);
  }

  set(key: string, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size > this.#capacity) {
      // There is one, since more than none are in the map.
      this.#entries.delete(this.#oldest.next().value as string);
    }
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  /** Drops all whose key begins so. Looks at every entry. */
  deletePrefix(prefix: string): void {
    for (const key of this.#entries.keys()) {
      if (key.startsWith(prefix)) {
        this.#entries.delete(key);
      }
    }
  }

  clear(): void {
    this.#entries.clear();
  }
}
