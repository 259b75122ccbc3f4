import type { ExitCode } from "./exit-codes.ts";

/** A failure that the command line reports: what is wrong, and what to do next. Its texts hold no secret. */
export class Failure extends Error {
  readonly exitCode: ExitCode;
  /** What to do next; empty when the message says it all. */
  readonly next: string;

  constructor(exitCode: ExitCode, message: string, next = "") {
    super(message);
    this.name = "Failure";
    this.exitCode = exitCode;
    this.next = next;
  }
}

/** The command was not used as it is meant to be. */
export function usage(message: string, next = ""): Failure {
  return new Failure(2, message, next);
}
