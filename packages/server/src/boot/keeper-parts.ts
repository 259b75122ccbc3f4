import type { ArchiveFolder } from "../audit/archive-folder.ts";
import type { Services } from "../operations/operation.ts";
import type { IssuedRootToken, SealControl } from "../operations/seal-control.ts";
import type { Store } from "../store/store.ts";
import type { SealSource } from "./configured-seals.ts";
import type { Unsealed } from "./unseal.ts";
import type { Witness } from "./witness.ts";

/** What the keeper works with. */
export interface KeeperParts {
  readonly store: Store;
  readonly seals: SealSource;
  /** Seconds until a new vault's root token expires; 0: never. */
  readonly rootTokenTtl: number;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** What calls work with, while this vault is open. */
  readonly services: (unsealed: Unsealed) => Services;
  /** What there is for calls that need no open vault. */
  readonly servicesWhileSealed: (keeper: SealControl) => Services;
  /** Called with the root token of a vault that the keeper made by itself, once it is open. Must not throw. */
  readonly onMade: (token: IssuedRootToken) => void;
  /** Called when a vault was opened: periodic work begins. */
  readonly onOpen: (unsealed: Unsealed) => void;
  /** Called before the vault is sealed, or all ends: periodic work ends, and writes what it has. */
  readonly beforeSeal: () => Promise<void>;
  readonly report: KeeperReport;
  /** Absent for a vault in memory. */
  readonly witness?: Witness | undefined;
  /** Where audit entries are archived. */
  readonly archive?: ArchiveFolder | undefined;
}

/** What the operator should know, for the log. */
export interface KeeperReport {
  info(what: Readonly<Record<string, unknown>>, text: string): void;
  warn(what: Readonly<Record<string, unknown>>, text: string): void;
  error(what: Readonly<Record<string, unknown>>, text: string): void;
}
