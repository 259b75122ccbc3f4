import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { mustRun, ROOT } from "./run-program.ts";

const CACHE = join(ROOT, ".cache", "proto");
const PROTOVALIDATE = "github.com/bufbuild/protovalidate@v1.2.2";
const require = createRequire(import.meta.url);

/** A proto file that others maintain: whose it is, where it lies there, and by which path our protos import it. */
interface ThirdPartyProto {
  readonly npm?: string;
  readonly goModule?: string;
  readonly file: string;
  readonly path: string;
}

const PROTOS: readonly ThirdPartyProto[] = [
  { npm: "protobufjs", file: "google/api/annotations.proto", path: "google/api/annotations.proto" },
  { npm: "protobufjs", file: "google/api/http.proto", path: "google/api/http.proto" },
  { npm: "grpc-health-check", file: "proto/health/v1/health.proto", path: "grpc/health/v1/health.proto" },
  {
    npm: "@grpc/reflection",
    file: "build/proto/grpc/reflection/v1/reflection.proto",
    path: "grpc/reflection/v1/reflection.proto",
  },
  {
    goModule: PROTOVALIDATE,
    file: "proto/protovalidate/buf/validate/validate.proto",
    path: "buf/validate/validate.proto",
  },
];

/**
 * Brings the third-party protos into .cache/proto, from the packages that carry them; they are not in the repository.
 * The Go module is the one part that needs Go and, the first time, the network; `npm ci && npm start` needs neither.
 * Does nothing when they are there already, from the same versions.
 */
export async function ensureThirdPartyProtos(): Promise<void> {
  const stampPath = join(CACHE, "stamp");
  const stamp = PROTOS.map(({ npm, goModule, path }) => `${path} ${npm === undefined ? goModule : npmVersion(npm)}\n`);
  if (existsSync(stampPath) && readFileSync(stampPath, "utf8") === stamp.join("")) {
    return;
  }
  rmSync(CACHE, { recursive: true, force: true });
  for (const { npm, goModule, file, path } of PROTOS) {
    const folder = npm === undefined ? await goModuleFolder(goModule ?? "") : npmFolder(npm);
    const target = join(CACHE, path);
    mkdirSync(dirname(target), { recursive: true });
    cpSync(join(folder, file), target);
  }
  writeFileSync(stampPath, stamp.join(""));
}

function npmFolder(name: string): string {
  return dirname(require.resolve(`${name}/package.json`));
}

function npmVersion(name: string): string {
  const manifest = JSON.parse(readFileSync(join(npmFolder(name), "package.json"), "utf8")) as { version: string };
  return `${name}@${manifest.version}`;
}

/** Downloads a Go module (the go command keeps it in its own cache) and names its folder. */
async function goModuleFolder(module: string): Promise<string> {
  // Outside the repository, so that no go.mod there has a say.
  const output = await mustRun("go", ["mod", "download", "-json", module], { cwd: "/" });
  return (JSON.parse(output) as { Dir: string }).Dir;
}
