import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildClient } from "../../scripts/build-client.ts";
import { mustRun } from "../../scripts/run-program.ts";

/** An otherwise empty folder in which the client is installed from its package, as its users install it. */
export interface InstalledClient {
  readonly folder: string;
  /** Names of the files in the package. */
  readonly packed: readonly string[];
  /** Writes a programme of this repository into the folder, its types stripped. @returns its path. */
  addProgramme(source: string, name: string): string;
  remove(): void;
}

/** Builds, packs and installs. Besides the client, what it depends on comes from the registry. */
export async function installClient(): Promise<InstalledClient> {
  const root = mkdtempSync(join(tmpdir(), "bunkms-sdk-"));
  const [built, folder] = [join(root, "built"), join(root, "project")];
  mkdirSync(folder);
  await buildClient(built);
  const packed = await mustRun("npm", ["pack", "--json", "--pack-destination", root], { cwd: built });
  const [{ filename, files }] = Object.values(JSON.parse(packed.slice(packed.search(/^[[{]/m)))) as [
    { filename: string; files: { path: string }[] },
  ];
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const quietly = ["--no-audit", "--no-fund", "--prefer-offline"];
  await mustRun("npm", ["install", ...quietly, join(root, filename)], { cwd: folder });
  return {
    folder,
    packed: files.map(({ path }) => path),
    addProgramme(source, name) {
      const path = join(folder, name);
      writeFileSync(
        path,
        stripTypeScriptTypes(readFileSync(source, "utf8")).replaceAll(/(from "\.[^"]*)\.ts"/g, '$1.js"'),
      );
      return path;
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}
