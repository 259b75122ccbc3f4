import { InvalidArgumentError } from "commander";
import { withAdvice } from "../exit-codes.ts";
import { usage } from "../failure.ts";

const SHOWN = 'Indexes are shown by "bunkms audit list"';

/** What failed when an entry was asked for, with what that means for entries. */
export function adviseOnEntry(error: unknown): unknown {
  return withAdvice(error, {
    not_found: `${SHOWN}, and the log's size and what was pruned by "bunkms audit retention".`,
    vault_damaged:
      'What is damaged, and whether more is, tells "bunkms audit verify"; docs/operating.md says what to do.',
  });
}

/** Whether a text is an entry's index, as the API takes it. */
export function isIndex(text: string): boolean {
  return /^(?:0|[1-9]\d{0,14})$/.test(text);
}

/** Reads the index that an option gives. @throws InvalidArgumentError */
export function parseIndex(text: string): number {
  if (!isIndex(text)) {
    throw new InvalidArgumentError("It must be a whole number from 0 on.");
  }
  return Number(text);
}

/** The index that is an argument, as the API takes it. @throws Failure */
export function requireIndex(text: string): string {
  if (!isIndex(text)) {
    throw usage("an entry's index is a whole number from 0 on", `${SHOWN}.`);
  }
  return text;
}
