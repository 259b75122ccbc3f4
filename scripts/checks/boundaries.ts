import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runProgram } from "../run-program.ts";

/** What one room of the server may import of the other rooms: whole rooms, or single files of them. */
export interface Room {
  readonly name: string;
  /** As DESIGN section 2 has it. */
  readonly sees: readonly string[];
  /** What its code needs besides; each entry is a debt to that table. */
  readonly also?: readonly string[];
}

/** The rooms in packages/server/src. boot/ composes them for main.ts and sees all. */
export const ROOMS: readonly Room[] = [
  { name: "config", sees: [] },
  // What those who have a thread of their own have in common; it stands to the right of all that have one.
  { name: "threads", sees: [] },
  { name: "crypto", sees: [], also: ["threads"] },
  { name: "store", sees: [], also: ["threads"] },
  // What calls to other services have in common; it stands to the right of all that make some.
  { name: "remote", sees: ["crypto"] },
  { name: "seal", sees: ["crypto"], also: ["remote"] },
  { name: "vault", sees: ["crypto", "store/store.ts", "seal/seal.ts"] },
  { name: "audit", sees: ["crypto"], also: ["remote"] },
  { name: "access", sees: ["vault"], also: ["crypto"] },
  { name: "operations", sees: ["vault", "access", "audit"], also: ["crypto", "config/loopback.ts"] },
  {
    name: "pipeline",
    sees: ["access", "audit", "operations"],
    also: [
      "crypto/kdf.ts",
      "store/store.ts",
      "vault/asides.ts",
      "vault/idempotency.ts",
      "vault/plan.ts",
      "vault/record.ts",
      "vault/records.ts",
      "vault/vault.ts",
    ],
  },
  { name: "api", sees: ["pipeline"], also: ["access/compact-jws.ts", "crypto/random.ts"] },
  {
    name: "boot",
    sees: ["config", "crypto", "store", "remote", "seal", "vault", "audit", "access", "operations", "pipeline", "api"],
  },
];

/** The packages, and which other packages of the repository they may import. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  client: ["contract"],
  tlog: [],
  cli: ["client", "tlog"],
  server: ["contract", "tlog"],
};

/** Built-in modules that one room alone may import. Of node:crypto, others may name the key type. */
const BUILTINS: readonly { readonly module: string; readonly room: string; readonly names?: string }[] = [
  { module: "crypto", room: "crypto", names: "KeyObject" },
  { module: "sqlite", room: "store" },
];

/**
 * Built-in modules that the server gets by `process.getBuiltinModule`: an import reads each export, and with them what is loaded
 * or parsed when it is first asked for (boot/listen.ts). Their types may be imported.
 */
const NOT_IMPORTED: readonly { readonly module: string; readonly types?: string }[] = [
  {
    module: "http",
    types: "IncomingHttpHeaders|IncomingMessage|RequestListener|Server|ServerOptions|ServerResponse",
  },
  { module: "https", types: "Agent" },
  { module: "tls", types: "SecureContext" },
];

interface Pattern {
  readonly group: readonly string[];
  readonly message: string;
  readonly importNamePattern?: string;
  readonly invertImportNamePattern?: boolean;
}

/**
 * Checks the imports of all packages below `root` with Biome's noRestrictedImports. Tests may import what they like, and so
 * may suites that adapters are tested with (conformance.ts).
 * @returns What is wrong, as text; empty if nothing is.
 */
export async function checkBoundaries(root: string): Promise<string> {
  const strangers = await findStrangers(join(root, "packages", "server", "src"));
  const folder = await mkdtemp(join(tmpdir(), "bunkms-boundaries-"));
  try {
    const configPath = join(folder, "biome.json");
    await writeFile(configPath, JSON.stringify(lintConfiguration()));
    const lint = [
      "lint",
      `--config-path=${configPath}`,
      "--max-diagnostics=none",
      "--diagnostic-level=error",
      "--reporter=concise",
      "packages",
    ];
    const { code, output } = await runProgram("biome", lint, { cwd: root });
    return strangers + (code === 0 ? "" : output);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A folder without a row, or a file beside main.ts, would be free to import anything. */
async function findStrangers(source: string): Promise<string> {
  return (await readdir(source))
    .filter((name) => !/^main(\.test)?\.ts$/.test(name) && !ROOMS.some((room) => room.name === name))
    .map((name) => `packages/server/src/${name}: is neither main.ts nor a room of scripts/checks/boundaries.ts\n`)
    .join("");
}

function lintConfiguration(): unknown {
  const packages = Object.keys(PACKAGES).map((name) =>
    override([`**/packages/${name}/src/**`], [packagePattern(name), ...builtinPatterns()]),
  );
  // Files are encrypted, keys wrapped and sealed, logs verified and another service's store opened where they lie: the parts
  // outside the server that have cryptography.
  const local = [
    ...["file", "import", "backup", "attachment"].map((folder) =>
      override([`**/packages/client/src/${folder}/**`], [packagePattern("client"), ...builtinPatterns("crypto")]),
    ),
    override(["**/packages/cli/src/migrate/**"], [packagePattern("cli"), ...builtinPatterns("crypto")]),
    override(["**/packages/tlog/src/**"], [packagePattern("tlog"), ...builtinPatterns("crypto")]),
  ];
  // Overrides replace each other, the later the stronger, so a room's holds its package's patterns as well.
  const rooms = ROOMS.flatMap((room) =>
    [0, 1].map((depth) =>
      override(
        [`**/packages/server/src/${room.name}/${depth === 0 ? "*" : "*/**"}`],
        [roomPattern(room, depth), packagePattern("server"), ...builtinPatterns(room.name), ...notImportedPatterns()],
      ),
    ),
  );
  return {
    root: true,
    formatter: { enabled: false },
    assist: { enabled: false },
    linter: { rules: { preset: "none" } },
    overrides: [...packages, ...local, ...rooms],
  };
}

function override(includes: readonly string[], patterns: readonly Pattern[]): unknown {
  return {
    includes: [...includes, "!**/*.test.ts", "!**/conformance.ts", "!**/gen/**"],
    linter: { rules: { style: { noRestrictedImports: { level: "error", options: { patterns } } } } },
  };
}

/** @param depth 0 for files of the room's own folder, 1 for those of folders in it. */
function roomPattern({ name, sees, also = [] }: Room, depth: number): Pattern {
  const up = "../".repeat(depth + 1);
  const allowed = [...sees, ...also, name].map((seen) => (seen.endsWith(".ts") ? seen : `${seen}/**`));
  return {
    group: [`${up}**`, "./../**", ...allowed.map((path) => `!${up}${path}`), "!**/package.json"],
    message: `${name}/ may import of other rooms only: ${[...sees, ...also].join(", ") || "none"}`,
  };
}

function packagePattern(name: string): Pattern {
  const allowed = PACKAGES[name] ?? [];
  return {
    group: ["@bunkms/**", ...allowed.flatMap((other) => [`!@bunkms/${other}`, `!@bunkms/${other}/**`]), "../**/src/**"],
    message: `packages/${name} may import of other packages only: ${allowed.join(", ") || "none"}`,
  };
}

function builtinPatterns(room?: string): readonly Pattern[] {
  return BUILTINS.filter((builtin) => builtin.room !== room).map(({ module, room: owner, names }) => ({
    group: [module, `node:${module}`],
    message: `only ${owner}/ imports node:${module}`,
    ...(names === undefined ? {} : { importNamePattern: names, invertImportNamePattern: true }),
  }));
}

function notImportedPatterns(): readonly Pattern[] {
  return NOT_IMPORTED.map(({ module, types }) => ({
    group: [module, `node:${module}`],
    message: `the server gets node:${module} by process.getBuiltinModule`,
    ...(types === undefined ? {} : { importNamePattern: types, invertImportNamePattern: true }),
  }));
}
