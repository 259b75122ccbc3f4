interface Entry<S> {
  readonly name: string;
  summary: S;
}

/**
 * The names of a table's records in the order of their code points, each with a summary of its record, kept in memory:
 * in the store they are hidden.
 */
export class NameIndex<S> {
  #entries: Entry<S>[] = [];

  get size(): number {
    return this.#entries.length;
  }

  /** Takes over these names with their summaries, in any order, no name twice. */
  load(entries: readonly (readonly [string, S])[]): void {
    this.#entries = entries.map(([name, summary]) => ({ name, summary })).sort(compare);
  }

  /** Adds a name, or changes its summary. */
  set(name: string, summary: S): void {
    const at = this.#position(name);
    const entry = this.#entries[at];
    if (entry?.name === name) {
      entry.summary = summary;
    } else {
      this.#entries.splice(at, 0, { name, summary });
    }
  }

  remove(name: string): void {
    const at = this.#position(name);
    if (this.#entries[at]?.name === name) {
      this.#entries.splice(at, 1);
    }
  }

  /** At most `limit` names that begin with `prefix`, come after `after` and whose summary fits. */
  page(prefix: string, after: string, limit: number, fits: (summary: S) => boolean = () => true): readonly string[] {
    const start = after > prefix ? this.#position(after) : this.#position(prefix);
    const names: string[] = [];
    for (let i = this.#entries[start]?.name === after ? start + 1 : start; names.length < limit; i++) {
      const entry = this.#entries[i];
      if (entry === undefined || !entry.name.startsWith(prefix)) {
        break;
      }
      if (fits(entry.summary)) {
        names.push(entry.name);
      }
    }
    return names;
  }

  /** Index of the first name that is not before `name`. */
  #position(name: string): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle] as Entry<S>).name < name) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
}

/** Names are ASCII, so that the order of UTF-16 units is that of bytes. */
function compare({ name: a }: Entry<unknown>, { name: b }: Entry<unknown>): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
