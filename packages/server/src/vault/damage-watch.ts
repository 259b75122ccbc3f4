import type { RecordDamaged } from "./record.ts";

/** So many records at most are told apart. */
const MOST = 1_000;

/** Which records did not open since the vault was opened, also those that are made again from others. */
export class DamageWatch {
  readonly #paths = new Set<string>();
  /** Those that were found before anybody listened: while the vault was opened. */
  readonly #untold: RecordDamaged[] = [];
  #tell = (damage: RecordDamaged): void => void this.#untold.push(damage);

  /** How many records. Ends at a thousand. */
  get records(): number {
    return this.#paths.size;
  }

  /** Each record that is found, or was found before, is told of, once. */
  onFound(tell: (damage: RecordDamaged) => void): void {
    this.#tell = tell;
    for (const damage of this.#untold.splice(0)) {
      tell(damage);
    }
  }

  /** Takes note of a record that did not open. */
  found(damage: RecordDamaged): void {
    // A record's path is in its message, with its table.
    if (this.#paths.size < MOST && !this.#paths.has(damage.message)) {
      this.#paths.add(damage.message);
      this.#tell(damage);
    }
  }
}
