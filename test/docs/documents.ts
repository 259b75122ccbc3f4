import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The repository's root folder. */
export const ROOT = join(import.meta.dirname, "..", "..");

const FOLDERS = ["docs", "spec", "bench", "clients", "packages", "test", "examples"];

/** A Markdown document of the repository. */
export interface Document {
  /** Relative to the root. */
  readonly path: string;
  readonly text: string;
}

/** All of them: those in the root, and those below the folders that hold some. */
export function readDocuments(): readonly Document[] {
  const below = FOLDERS.flatMap((folder) => markdown(folder, true));
  return [...markdown(".", false), ...below].map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));
}

function markdown(folder: string, recursive: boolean): readonly string[] {
  let names: string[];
  try {
    names = readdirSync(join(ROOT, folder), { recursive, encoding: "utf8" });
  } catch {
    // A folder that is not there (yet) has no documents.
    return [];
  }
  return names
    .filter((name) => name.endsWith(".md") && !name.includes("node_modules"))
    .map((name) => join(folder, name));
}
