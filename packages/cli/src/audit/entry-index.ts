import { usage } from "../failure.ts";

/** An entry's index as the API takes it. @throws Failure */
export function requireIndex(text: string): string {
  if (!/^(?:0|[1-9]\d{0,14})$/.test(text)) {
    throw usage("an entry's index is a whole number from 0 on", 'It is shown by "bunkms audit list".');
  }
  return text;
}
