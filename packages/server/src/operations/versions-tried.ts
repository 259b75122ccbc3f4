import { BunkmsError } from "@bunkms/contract";
import type { Ending } from "../crypto/pool.ts";
import type { KeyUse } from "./key-use.ts";
import { TimeSlices } from "./time-slice.ts";

/** How many versions are tried when a request names none. */
const TRIED_VERSIONS = 100;

/** For whom versions are tried. */
export interface Search {
  /** Of the call. */
  readonly ending: Ending;
  /** Called before each try; what it throws ends the search. */
  readonly onTry?: () => void;
}

/**
 * Finds the version that something was made with, and counts its use.
 * @param version The one that the request names; 0: all usable ones, the newest first, at most 100.
 * @param fits Whether it was this one.
 * @returns 0: none.
 * @throws BunkmsError `unknown_version`, `wrong_key_state` when the named one, or none at all, can be used; the reason of
 * the call's ending.
 */
export async function tryVersions(
  use: KeyUse,
  version: number,
  { ending, onTry = () => {} }: Search,
  fits: (version: number) => Promise<boolean>,
): Promise<number> {
  if (version !== 0) {
    onTry();
    return (await fits(await use.version(version, "open"))) ? version : 0;
  }
  const { latestVersion, minDecryptionVersion } = use.key;
  const oldest = Math.max(minDecryptionVersion, latestVersion - TRIED_VERSIONS + 1);
  const slices = new TimeSlices(ending);
  let refusal: BunkmsError | undefined;
  let usable = 0;
  for (let candidate = latestVersion; candidate >= oldest; candidate--) {
    // The first is no more work than a call that names its version.
    if (candidate !== latestVersion) {
      await slices.next();
    }
    const refused = await refusalOf(use, candidate);
    refusal ??= refused;
    if (refused !== undefined) {
      continue;
    }
    usable += 1;
    onTry();
    if (await fits(candidate)) {
      use.count(candidate);
      return candidate;
    }
  }
  if (usable === 0 && refusal !== undefined) {
    throw refusal;
  }
  return 0;
}

/** Why a version cannot be used, for example since it is disabled: it is passed over when no version was named. */
async function refusalOf(use: KeyUse, version: number): Promise<BunkmsError | undefined> {
  try {
    await use.version(version, "open", 0);
    return undefined;
  } catch (error) {
    if (error instanceof BunkmsError && error.code === "wrong_key_state") {
      return error;
    }
    throw error;
  }
}
