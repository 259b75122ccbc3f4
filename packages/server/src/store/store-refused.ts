/** Why a data folder was not opened. */
export type Refusal =
  /** Another process, or this one, has it open. */
  | "in-use"
  /** Somebody else may read or write it, or it is not ours. */
  | "not-private"
  /** It holds the database of another program. */
  | "foreign"
  /** It was written by a newer BunKMS. */
  | "newer"
  /** It does not read as it was written. */
  | "damaged"
  /** This machine cannot keep the promises of the store. */
  | "unsupported";

/**
 * The store was not opened. The message is for the operator: it names
 * the file, the exact reason and what to do, and holds nothing secret.
 */
export class StoreRefused extends Error {
  readonly reason: Refusal;

  constructor(reason: Refusal, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "StoreRefused";
    this.reason = reason;
  }
}
