import { InvalidArgumentError } from "commander";
import { usage } from "../failure.ts";

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
    throw usage("an entry's index is a whole number from 0 on", 'It is shown by "bunkms audit list".');
  }
  return text;
}
