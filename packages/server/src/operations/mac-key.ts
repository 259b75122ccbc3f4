import type { KeyObject } from "node:crypto";
import { BunkmsError } from "@bunkms/contract";
import { encodeAdditionalData } from "../crypto/additional-data.ts";
import { deriveVersion } from "../crypto/derived-version.ts";
import type { MacAlgorithm, OpenedVersion } from "../crypto/key-type.ts";
import type { KeyInfo } from "../vault/key-info.ts";

/**
 * What a key makes codes with: its own version, or what is derived of it for a context.
 * @throws BunkmsError `wrong_key_usage`; `invalid_request` for a context that is missing or of no use.
 */
export function macKey(
  key: KeyInfo,
  opened: OpenedVersion,
  context: Readonly<Record<string, string>>,
): { readonly mac: MacAlgorithm; readonly key: KeyObject } {
  const { mac } = key.type;
  if (mac === undefined) {
    throw new BunkmsError("wrong_key_usage");
  }
  const hasContext = Object.keys(context).length > 0;
  if (key.derived !== hasContext) {
    const text = key.derived ? "the key derives a key for each context: give one" : "the key was not made for contexts";
    throw new BunkmsError("invalid_request", `context: ${text}`);
  }
  const used = key.derived
    ? deriveVersion(opened, encodeAdditionalData({ kind: "context", entries: context }))
    : opened;
  return { mac, key: used.key };
}
