import { BunkmsError } from "@bunkms/contract";
import { StoreUnavailable } from "../store/store.ts";

/** A refusal that leaves no audit entry: the server was not ready to take the call, or could not write the entry. */
export class Unrecorded extends Error {
  readonly refusal: BunkmsError;

  constructor(refusal: BunkmsError) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

/** What the caller may be told of an error. What he may not is the cause, for the log. */
export function asRefusal(error: unknown): BunkmsError {
  if (error instanceof BunkmsError) {
    return error;
  }
  if (error instanceof Unrecorded) {
    return error.refusal;
  }
  const code = error instanceof StoreUnavailable ? "storage_unavailable" : "internal";
  return new BunkmsError(code, undefined, { cause: error });
}
