/** The names of a table's records in the order of their code points, kept in memory: in the store they are hidden. */
export class NameIndex {
  #names: string[] = [];

  get size(): number {
    return this.#names.length;
  }

  /** Takes over these names, in any order, none twice. */
  load(names: string[]): void {
    this.#names = names.sort(compare);
  }

  add(name: string): void {
    const at = this.#position(name);
    if (this.#names[at] !== name) {
      this.#names.splice(at, 0, name);
    }
  }

  remove(name: string): void {
    const at = this.#position(name);
    if (this.#names[at] === name) {
      this.#names.splice(at, 1);
    }
  }

  /** At most `limit` names that begin with `prefix` and come after `after`. */
  page(prefix: string, after: string, limit: number): readonly string[] {
    const start = after > prefix ? this.#position(after) : this.#position(prefix);
    const names: string[] = [];
    for (let i = this.#names[start] === after ? start + 1 : start; names.length < limit; i++) {
      const name = this.#names[i];
      if (name === undefined || !name.startsWith(prefix)) {
        break;
      }
      names.push(name);
    }
    return names;
  }

  /** Index of the first name that is not before `name`. */
  #position(name: string): number {
    let low = 0;
    let high = this.#names.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#names[middle] as string) < name) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
}

/** Names are ASCII, so that the order of UTF-16 units is that of bytes. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
