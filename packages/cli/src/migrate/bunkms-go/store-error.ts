import { Failure } from "../../failure.ts";

/** What kept the Go server's data from being read. */
export type StoreErrorCode =
  | "no_store"
  | "not_a_store"
  | "damaged"
  | "in_use"
  | "changed"
  | "invalid_master_key"
  | "wrong_master_key";

/** The Go server's data cannot be read. Its texts hold nothing secret. */
export class StoreError extends Failure {
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, next = "") {
    super(code === "in_use" || code === "changed" ? 5 : 2, message, next);
    this.name = "StoreError";
    this.code = code;
  }
}
