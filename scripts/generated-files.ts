import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mustRun, ROOT } from "./run-program.ts";
import { ensureThirdPartyProtos } from "./third-party-protos.ts";

const GEN = join("packages", "contract", "src", "gen");

/** Where the generated part of the contract lies. */
export const GEN_FOLDER = join(ROOT, GEN);

/** Where the generated page of the documentation lies, among pages written by hand. */
export const DOCS_FOLDER = join(ROOT, "docs");

/** The Go client's module, whose generated files lie among those written by hand. */
export const GO_FOLDER = join(ROOT, "clients", "go");

/** Name, relative to the folder of generated files, and content. */
export type GeneratedFiles = ReadonlyMap<string, string>;

/** The TypeScript that buf and protoc-gen-es make from proto/ (buf.gen.yaml), made in a temporary folder. */
export async function generateTypeScript(): Promise<GeneratedFiles> {
  await ensureThirdPartyProtos();
  const temporary = await mkdtemp(join(tmpdir(), "bunkms-generate-"));
  try {
    await mustRun("buf", ["generate", "--output", temporary]);
    return readFolder(join(temporary, GEN));
  } finally {
    await rm(temporary, { recursive: true });
  }
}

/**
 * What the Go client has of the contract: messages and stubs that buf makes (buf.gen.go.yaml) with the generators that
 * clients/go/tools/go.mod pins, and the tables of routes and errors. Made in a temporary folder.
 */
export async function generateGo(): Promise<GeneratedFiles> {
  await ensureThirdPartyProtos();
  const { goErrorsText, goPackageText, goRoutesText } = await import("./generate-go.ts");
  const temporary = await mkdtemp(join(tmpdir(), "bunkms-generate-"));
  try {
    await mustRun("buf", ["generate", "--template", "buf.gen.go.yaml", "--output", temporary]);
    const folder = join(temporary, "clients", "go");
    writeFileSync(join(folder, "bunkmspb", "doc.go"), goPackageText());
    writeFileSync(join(folder, "routes_generated.go"), goRoutesText());
    writeFileSync(join(folder, "errors_generated.go"), goErrorsText());
    await mustRun("gofmt", ["-w", "routes_generated.go", "errors_generated.go"], { cwd: folder });
    return readFolder(folder);
  } finally {
    await rm(temporary, { recursive: true });
  }
}

/** Whether a file below the Go client's folder is one that `generateGo` makes. */
export function isGeneratedGo(name: string): boolean {
  return name.startsWith("bunkmspb/") || name.endsWith("_generated.go");
}

/** The OpenAPI description, made from the TypeScript that lies in the repository now. */
export async function generateOpenApi(): Promise<GeneratedFiles> {
  await ensureThirdPartyProtos();
  // Imported only now, since generating may have changed what it reads.
  const { openApiText } = await import("./generate-openapi.ts");
  return new Map([["openapi.json", await openApiText()]]);
}

/** The page of all key types, made from the algorithm table. Its folder is that of the documentation. */
export async function generateKeyTypes(): Promise<GeneratedFiles> {
  const { keyTypesText } = await import("./generate-key-types.ts");
  return new Map([["key-types.md", keyTypesText()]]);
}

/** All files below a folder; none if it does not exist. */
export function readFolder(folder: string): GeneratedFiles {
  let names: string[] = [];
  try {
    names = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
      throw error;
    }
  }
  return new Map(names.sort().map((name) => [name, readFileSync(join(folder, name), "utf8")]));
}

/** Names of files that are in one of the two only, or differ. */
export function differences(one: GeneratedFiles, other: GeneratedFiles): readonly string[] {
  const names = new Set([...one.keys(), ...other.keys()]);
  return [...names].filter((name) => one.get(name) !== other.get(name)).sort();
}
