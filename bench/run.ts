/** `npm run bench`: see README.md in this folder. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { benchAudit } from "./modes/audit.ts";
import { benchFiles } from "./modes/file.ts";
import { benchKeys } from "./modes/keys.ts";
import { benchRequests } from "./modes/requests.ts";
import type { Run } from "./modes/run.ts";
import { type Mode, readOptions, USAGE } from "./options.ts";

const MODES: Readonly<Record<Mode, (run: Run) => Promise<string>>> = {
  requests: benchRequests,
  keys: benchKeys,
  file: benchFiles,
  audit: benchAudit,
};

/** On the disk that the repository is on: a folder for temporary files may be memory, where an fsync costs nothing. */
const CACHE = join(import.meta.dirname, "..", ".cache");

const options = readOptions(process.argv.slice(2));
if (options === undefined) {
  process.stdout.write(USAGE);
} else {
  await mkdir(CACHE, { recursive: true });
  const folder = await mkdtemp(join(CACHE, "bench-"));
  const running: { stop(): unknown }[] = [];
  const run: Run = {
    options,
    folder,
    say(line) {
      process.stderr.write(`${line}\n`);
    },
    keep(child) {
      running.push(child);
      return child;
    },
  };
  try {
    process.stdout.write(await MODES[options.mode](run));
  } finally {
    for (const child of running.reverse()) {
      await child.stop();
    }
    await rm(folder, { recursive: true, force: true });
  }
}
