import type { KeySummary } from "./key-info.ts";

/** Which keys a listing is about; what is empty restricts nothing. */
export interface KeyFilter {
  readonly prefix: string;
  readonly type: string;
  readonly state: string;
  /** `name` or `name=value`. */
  readonly tag: string;
}

/** Whether a key is one of those that the filter is about, its name aside. */
export function fitsFilter({ type, state, tag }: KeyFilter): (summary: KeySummary) => boolean {
  const [name = "", value] = tag.includes("=")
    ? [tag.slice(0, tag.indexOf("=")), tag.slice(tag.indexOf("=") + 1)]
    : [tag];
  return (summary) =>
    (type === "" || summary.type === type) &&
    (state === "" || summary.state === state) &&
    (tag === "" || (Object.hasOwn(summary.tags, name) && (value === undefined || summary.tags[name] === value)));
}
