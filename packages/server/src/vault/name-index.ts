/** A name and the summary of its record. */
export interface Entry<S> {
  readonly name: string;
  summary: S;
}

/**
 * The names of a table's records in the order of their code points, each with a summary of its record, kept in memory:
 * in the store they are hidden. Those with one label are found without looking at the others.
 */
export class NameIndex<S> {
  readonly #labelsOf: (summary: S) => readonly string[];
  #entries: Entry<S>[] = [];
  /** By label, in the order of their names; none is empty. */
  readonly #labelled = new Map<string, Entry<S>[]>();

  /** @param labelsOf What a name is found by, read out of its summary; no label twice. */
  constructor(labelsOf: (summary: S) => readonly string[] = () => []) {
    this.#labelsOf = labelsOf;
  }

  get size(): number {
    return this.#entries.length;
  }

  /** Takes over these entries, in any order, no name twice. */
  load(entries: Entry<S>[]): void {
    this.#entries = entries.sort(compare);
    this.#labelled.clear();
    for (const entry of this.#entries) {
      for (const label of this.#labelsOf(entry.summary)) {
        const labelled = this.#labelled.get(label);
        if (labelled === undefined) {
          this.#labelled.set(label, [entry]);
        } else {
          labelled.push(entry);
        }
      }
    }
  }

  /** Adds a name, or changes its summary. */
  set(name: string, summary: S): void {
    const at = position(this.#entries, name);
    const before = this.#entries[at];
    if (before?.name !== name) {
      const entry = { name, summary };
      this.#entries.splice(at, 0, entry);
      this.#label(entry);
      return;
    }
    this.#unlabel(before);
    before.summary = summary;
    this.#label(before);
  }

  remove(name: string): void {
    const at = position(this.#entries, name);
    const entry = this.#entries[at];
    if (entry?.name === name) {
      this.#entries.splice(at, 1);
      this.#unlabel(entry);
    }
  }

  /** At most `limit` names that begin with `prefix`, come after `after`, have the label and whose summary fits. */
  page(
    prefix: string,
    after: string,
    limit: number,
    fits: (summary: S) => boolean = () => true,
    label?: string,
  ): readonly string[] {
    const entries = label === undefined ? this.#entries : (this.#labelled.get(label) ?? []);
    const start = position(entries, after > prefix ? after : prefix);
    const names: string[] = [];
    for (let i = entries[start]?.name === after ? start + 1 : start; names.length < limit; i++) {
      const entry = entries[i];
      if (entry === undefined || !entry.name.startsWith(prefix)) {
        break;
      }
      if (fits(entry.summary)) {
        names.push(entry.name);
      }
    }
    return names;
  }

  #label(entry: Entry<S>): void {
    for (const label of this.#labelsOf(entry.summary)) {
      const labelled = this.#labelled.get(label) ?? [];
      labelled.splice(position(labelled, entry.name), 0, entry);
      this.#labelled.set(label, labelled);
    }
  }

  #unlabel(entry: Entry<S>): void {
    for (const label of this.#labelsOf(entry.summary)) {
      const labelled = this.#labelled.get(label) ?? [];
      labelled.splice(position(labelled, entry.name), 1);
      if (labelled.length === 0) {
        this.#labelled.delete(label);
      }
    }
  }
}

/** Index of the first name that is not before `name`. */
function position(entries: readonly Entry<unknown>[], name: string): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((entries[middle] as Entry<unknown>).name < name) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/** Names are ASCII, so that the order of UTF-16 units is that of bytes. */
function compare({ name: a }: Entry<unknown>, { name: b }: Entry<unknown>): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
