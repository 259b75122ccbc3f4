/**
 * `npm run build:client [FOLDER]`: makes the npm package of the client, in packages/client/dist unless told otherwise. Node
 * strips no types in node_modules, and the contract is no package of its own there, so that what is published is JavaScript with
 * declarations, and holds the contract.
 */
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { mustRun, ROOT } from "./run-program.ts";

const CLIENT = join(ROOT, "packages", "client");
const CONTRACT = join(ROOT, "packages", "contract");
/** A specifier in an import, an export, or an import of a type. */
const SPECIFIER = /(\bfrom\s+|\bimport\(\s*|\bimport\s+)"([^"]+)"/g;

interface Manifest {
  readonly exports: Readonly<Record<string, string>>;
  readonly imports: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly [member: string]: unknown;
}

/** Builds the package into a folder, which is emptied before. */
export async function buildClient(folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const dist = join(folder, "dist");
  await mustRun("tsc", ["-p", join(CLIENT, "tsconfig.build.json"), "--outDir", dist]);
  // Generated as JavaScript with declarations, which the compiler leaves where they are. The records are the server's alone.
  cpSync(join(CONTRACT, "src", "gen"), join(dist, "contract", "src", "gen"), {
    recursive: true,
    filter: (source) => !source.endsWith(".json") && !source.endsWith(join("bunkms", "record")),
  });
  const contract = readManifest(CONTRACT).exports;
  for (const name of globSync("{client,contract}/**/*.{js,d.ts}", { cwd: dist })) {
    const path = join(dist, name);
    const text = readFileSync(path, "utf8");
    const changed = text.replace(
      SPECIFIER,
      (_, before: string, to: string) => `${before}"${published(name, to, contract)}"`,
    );
    if (changed !== text) {
      writeFileSync(path, changed);
    }
  }
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(publishedManifest(readManifest(CLIENT)), null, 2)}\n`);
  cpSync(join(CLIENT, "README.md"), join(folder, "README.md"));
  cpSync(join(ROOT, "LICENSE"), join(folder, "LICENSE"));
}

/** What a specifier becomes in the file `name` of the package. */
function published(name: string, specifier: string, contract: Manifest["exports"]): string {
  if (specifier.startsWith(".")) {
    // The compiler does so in JavaScript, but not in declarations.
    return specifier.replace(/(?<!\.d)\.ts$/, ".js");
  }
  const target = specifier.startsWith("@bunkms/contract")
    ? contract[`.${specifier.slice("@bunkms/contract".length)}`]
    : undefined;
  if (target === undefined) {
    return specifier;
  }
  const to = relative(dirname(name), join("contract", compiled(target)));
  return to.startsWith(".") ? to : `./${to}`;
}

function publishedManifest({ exports, imports, dependencies, ...rest }: Manifest): object {
  const entry = `./dist/client/${compiled(exports["."] as string)}`;
  const conditions = Object.entries(imports).map(([name, targets]) => [
    name,
    Object.fromEntries(
      Object.entries(targets).map(([condition, target]) => [condition, `./dist/client/${compiled(target)}`]),
    ),
  ]);
  return {
    ...rest,
    engines: { node: ">=22.12" },
    sideEffects: false,
    files: ["dist"],
    exports: { ".": { types: entry.replace(/\.js$/, ".d.ts"), default: entry } },
    imports: Object.fromEntries(conditions),
    dependencies: { "@bufbuild/protobuf": `^${dependencies["@bufbuild/protobuf"]}` },
  };
}

/** `./src/x.ts` as the compiler writes it. */
function compiled(path: string): string {
  return path.replace(/^\.\//, "").replace(/\.ts$/, ".js");
}

function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
}

if (import.meta.main) {
  await buildClient(resolve(process.argv[2] ?? join(CLIENT, "dist")));
}
