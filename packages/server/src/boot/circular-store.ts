import { constants } from "node:fs";
import { open, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readSlots } from "../vault/root.ts";

/** Where Bundoc keeps the wrapped key of a database: our own file, or the field of its catalog (integrations/bundoc). */
const RECORDS: readonly (readonly [file: string, recordOf: (json: Json) => unknown])[] = [
  ["bunkms-dek.json", (json) => json],
  ["system_catalog.json", (json) => json["bunkms"]],
];
/** No catalog is larger. */
const MAX_BYTES = 64 * 1024 * 1024;

type Json = { readonly [name: string]: unknown };

/**
 * Refuses a vault whose data lie in a Bundoc database that gets its key from this very vault: the database opens only once
 * the vault is open, and the vault only once the database is.
 * @param dataPath The data folder; one that is not there lies in no database.
 * @throws Error that says which file tells so.
 */
export async function refuseCircularStore(store: Parameters<typeof readSlots>[0], dataPath: string): Promise<void> {
  const clusters = new Set((await readSlots(store)).map(({ cluster }) => cluster.toString("hex")));
  if (clusters.size === 0) {
    return;
  }
  const start = await realpath(dataPath).catch(() => undefined);
  for (const folder of start === undefined ? [] : foldersUpwards(start)) {
    for (const [file, recordOf] of RECORDS) {
      const path = join(folder, file);
      const cluster = clusterOf(recordOf, await readIfThere(path));
      if (cluster !== undefined && clusters.has(cluster)) {
        throw new Error(
          `the data folder lies in a Bundoc database whose key this very BunKMS keeps (${path}): neither would open ` +
            "after a restart. Keep BunKMS's data elsewhere, or give that database a key from another BunKMS",
        );
      }
    }
  }
}

/** The folder, and all that it lies in. */
function foldersUpwards(folder: string): readonly string[] {
  const above = dirname(folder);
  return above === folder ? [folder] : [folder, ...foldersUpwards(above)];
}

/** What the file holds; empty when there is none, or none that could be such a file. */
async function readIfThere(path: string): Promise<string> {
  try {
    // Folders above may be anybody's: a pipe there would be waited for, for ever, and what never ends would be read whole.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = await file.stat();
    return found.isFile() && found.size <= MAX_BYTES ? await file.readFile("utf8") : "";
  } catch {
    return "";
  }
}

/** The cluster that wraps the database's key, 32 hexadecimal digits; undefined when the file does not say. */
function clusterOf(recordOf: (json: Json) => unknown, text: string): string | undefined {
  try {
    const record = recordOf(JSON.parse(text) as Json) as { readonly cluster_id?: unknown } | undefined;
    const id = record?.cluster_id;
    return typeof id === "string" ? id.toLowerCase().replaceAll("-", "") : undefined;
  } catch {
    return undefined;
  }
}
