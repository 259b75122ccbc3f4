import type { KeyObject } from "node:crypto";
import type { Services } from "../operations/operation.ts";
import type { Committer } from "./committer.ts";

/** An open vault, with all that calls need of it. */
export interface OpenVault {
  readonly services: Services;
  readonly committer: Committer;
  /** For the hashed fields of the audit log. */
  readonly auditKey: KeyObject;
}

/** Who keeps the vault, open or sealed. */
export interface Custody {
  /** The vault, if it is open. */
  readonly current: OpenVault | undefined;
  /** @throws BunkmsError `sealed`, `not_initialised` */
  open(): OpenVault;
  /** What there is for operations that need no open vault; whatever else they reach for is refused as sealed. */
  readonly servicesWhileSealed: Services;
  /** Keeps an entry for which there is no log to write to, until there is one. */
  defer(entry: Buffer, isRefusal: boolean): void;
}
