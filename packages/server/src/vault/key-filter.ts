import type { KeySummary } from "./key-info.ts";

/** Which keys a listing is about; what is empty restricts nothing. */
export interface KeyFilter {
  readonly prefix: string;
  readonly type: string;
  readonly state: string;
  /** `name` or `name=value`. */
  readonly tag: string;
}

/** Whether a key is one of those that the filter is about, its name and tags aside. */
export function fitsFilter({ type, state }: KeyFilter): (summary: KeySummary) => boolean {
  return (summary) => (type === "" || summary.type === type) && (state === "" || summary.state === state);
}

/**
 * What a key with these tags is found by: `name` and `name=value`, each of which a filter may ask for.
 * @param shared Gives the one copy of a text that all keys share.
 */
export function tagLabels(tags: Readonly<Record<string, string>>, shared: (text: string) => string): readonly string[] {
  // No name of a tag has a "=", so that none is taken for a name with a value. The last step makes an array of just this
  // length, where flatMap leaves room for many more.
  return Object.entries(tags)
    .flatMap(([name, value]) => [name, `${name}=${value}`])
    .map(shared);
}
