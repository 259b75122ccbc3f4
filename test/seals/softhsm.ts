import { globSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mustRun } from "../../scripts/run-program.ts";

/** The user's PIN of every token here; unlike anything else, so that a search for it finds nothing by chance. */
export const PIN = "pin-8f31c6d27b";
const SO_PIN = "so-pin-45d1a9";

const PLACES = ["/usr/lib/softhsm", "/usr/lib/*/softhsm", "/usr/local/lib/softhsm", "/opt/homebrew/lib/softhsm"];

/** A folder of SoftHSM2's tokens, which SOFTHSM2_CONF names for this process and its children. */
export interface SoftHsm {
  /** The path of the module. */
  readonly module: string;
  /** Where the tokens lie. */
  readonly tokens: string;
  addToken(label: string): Promise<void>;
  /** pkcs11-tool on a token, logged in. @returns What it printed. */
  tool(token: string, ...args: readonly string[]): Promise<string>;
  remove(): void;
}

/** @throws Error when SoftHSM2 is not installed. */
export function startSoftHsm(): SoftHsm {
  const [module] = globSync(PLACES.map((place) => join(place, "libsofthsm2.so")));
  if (module === undefined) throw new Error("SoftHSM2 is not installed; npm test installs it");
  const folder = mkdtempSync(join(tmpdir(), "bunkms-softhsm-"));
  const tokens = mkdtempSync(join(folder, "tokens-"));
  const settings = join(folder, "softhsm2.conf");
  writeFileSync(settings, `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`);
  process.env["SOFTHSM2_CONF"] = settings;
  return {
    module,
    tokens,
    addToken: async (label) => {
      const pins = ["--pin", PIN, "--so-pin", SO_PIN];
      await mustRun("softhsm2-util", ["--init-token", "--free", "--label", label, ...pins]);
    },
    tool: (token, ...args) =>
      mustRun("pkcs11-tool", ["--module", module, "--token-label", token, "--login", "--pin", PIN, ...args]),
    remove: () => {
      rmSync(folder, { recursive: true });
    },
  };
}
