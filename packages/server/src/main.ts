import { existsSync } from "node:fs";
import { join } from "node:path";
import pino, { type Logger } from "pino";
import {
  devMasterKeyPath,
  ensureDevMasterKey,
  hasRootToken,
  pointerPath,
  rootTokenPath,
  savePointer,
  saveRootToken,
} from "./boot/dev-files.ts";
import { type Running, serve } from "./boot/serve.ts";
import { makeRootToken, openOrCreate } from "./boot/unseal.ts";
import { VERSION } from "./boot/version.ts";
import { type Config, readConfig } from "./config/config.ts";
import { ConfigError } from "./config/config-error.ts";
import { helpText } from "./config/help.ts";
import { readMasterKeyFile } from "./config/master-key.ts";
import { readProcessEnvironment } from "./config/process-environment.ts";
import { type Hardening, hardenProcess, refuseInspector } from "./crypto/process-hardening.ts";
import { envSeal } from "./seal/env.ts";
import type { Seal } from "./seal/seal.ts";
import { openMemoryStore } from "./store/memory.ts";
import { openSqliteStore } from "./store/sqlite.ts";
import { peekSqlite } from "./store/sqlite-peek.ts";
import type { Store } from "./store/store.ts";
import { describeSlots, SLOT_PREFIX } from "./vault/root-slot.ts";

/** Exit codes: 0 stopped as asked, 1 could not start or go on, 2 the settings are wrong. */
export async function run(): Promise<void> {
  let log: Logger | undefined;
  try {
    // First, so that no key is ever in a process that others could look into.
    const hardening = hardenProcess();
    const environment = readProcessEnvironment();
    const config = readConfig();
    log = makeLogger(config);
    switch (config.command) {
      case "help":
        print(helpText());
        return;
      case "version":
        print(VERSION);
        return;
      case "new-root-token":
        checkProcess(config, hardening, environment.nodeOptions, log);
        await newRootToken(config);
        return;
      default:
        checkProcess(config, hardening, environment.nodeOptions, log);
        await start(config, environment.configHome, log);
    }
  } catch (error) {
    fail(error, log);
  }
}

async function start(config: Config, configHome: string | undefined, log: Logger): Promise<void> {
  const seal = openSeal(config);
  const store = await openStore(config);
  print(`BunKMS ${VERSION}${config.dev ? ", development mode" : ""}`);
  let running: Running;
  let rootToken: string | undefined;
  try {
    const unsealed = await openOrCreate(store, seal);
    rootToken = unsealed.rootToken;
    // Shown and kept before anything else can fail: it will not be shown again.
    announceRootToken(config, rootToken);
    running = await serve(config, store, unsealed, log);
  } catch (error) {
    await store.close();
    throw error;
  }
  stopOnSignal(running, log);
  announce(config, running, rootToken);
  if (config.dev) {
    leaveForCli(config, running, configHome);
  }
}

async function newRootToken(config: Config): Promise<void> {
  const seal = openSeal(config);
  const store = await openStore(config);
  try {
    const token = await makeRootToken(store, seal);
    if (config.dev) {
      saveRootToken(rootTokenPath(config), token);
    }
    print(`Root token  ${token}`);
    print("It is not shown again. Other root tokens go on working: `bunkms token list`, `bunkms token revoke ID`.");
  } finally {
    await store.close();
  }
}

function openSeal(config: Config): Seal {
  if (config.masterKey !== undefined) {
    return envSeal(config.masterKey.take());
  }
  if (!config.dev) {
    throw new ConfigError([
      "the master key is missing: set BUNKMS_MASTER_KEY_FILE or BUNKMS_MASTER_KEY, or try --dev. " +
        `In production none is ever made up${existingSlots(config)}`,
    ]);
  }
  if (!existsSync(devMasterKeyPath(config.dataPath)) && existsSync(join(config.dataPath, "bunkms.db"))) {
    throw new Error(
      `${devMasterKeyPath(config.dataPath)} is missing, but the folder holds a vault${existingSlots(config)}: ` +
        "put its master key file back, or remove the folder to start anew",
    );
  }
  return envSeal(readMasterKeyFile(ensureDevMasterKey(config.dataPath), "master.key").take());
}

/** Which seals could open the vault that is there, if one is. */
function existingSlots({ dataPath }: Config): string {
  const slots = describeSlots(peekSqlite(dataPath, "meta", SLOT_PREFIX));
  return slots === "" ? "" : ` (${slots})`;
}

function openStore(config: Config): Promise<Store> {
  return config.store === "memory" ? Promise.resolve(openMemoryStore()) : openSqliteStore(config.dataPath);
}

function checkProcess(config: Config, hardening: Hardening, nodeOptions: string | undefined, log: Logger): void {
  if (!config.dev) {
    refuseInspector(process.execArgv, nodeOptions);
  }
  for (const [measure, done] of Object.entries(hardening)) {
    if (!done) {
      log.warn({ measure }, "a protection of the process is not to be had on this system");
    }
  }
}

function announceRootToken(config: Config, rootToken: string | undefined): void {
  if (rootToken === undefined) {
    return;
  }
  if (config.dev) {
    saveRootToken(rootTokenPath(config), rootToken);
  }
  print(`Root token  ${rootToken}`);
  print("It is shown this once. Keep it where nobody else reads it.");
}

function announce(config: Config, running: Running, rootToken: string | undefined): void {
  print(`REST  ${running.restUrl}`);
  print(`gRPC  ${running.grpcAddress}`);
  print(`Data  ${config.store === "memory" ? "in memory, gone at exit" : config.dataPath}`);
  if (rootToken !== undefined) {
    print(`Try it:\n  curl -H 'Authorization: Bearer ${rootToken}' \\
    -H 'Content-Type: application/json' -d '{"name":"first"}' ${running.restUrl}/v1/keys`);
  }
}

/** Development mode: the CLI works in the next terminal without being told anything. */
function leaveForCli(config: Config, running: Running, configHome: string | undefined): void {
  const tokenFile = rootTokenPath(config);
  if (!hasRootToken(tokenFile)) {
    print(
      "The root token's file is gone: `bunkms server new-root-token --dev` makes another while the server is stopped.",
    );
    return;
  }
  savePointer(pointerPath(configHome), running.restUrl, running.grpcAddress, tokenFile);
  print("CLI   npx bunkms key list   (it finds this server and its token)");
}

function stopOnSignal(running: Running, log: Logger): void {
  let stopping = false;
  const stop = (signal: string): void => {
    if (stopping) {
      return;
    }
    stopping = true;
    log.info({ signal }, "stopping");
    running.close().then(
      () => {
        log.info("stopped");
        log.flush();
        process.exit(0);
      },
      (error) => fail(error, log),
    );
  };
  process.on("SIGTERM", () => stop("SIGTERM"));
  process.on("SIGINT", () => stop("SIGINT"));
  process.on("SIGHUP", () => running.reload());
}

function makeLogger(config: Config): Logger {
  return pino(
    { level: config.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: 2, sync: false }),
  );
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** The reason in words for who started the server; where it came from only with a lower log level. */
function fail(error: unknown, log: Logger | undefined): never {
  log?.debug({ err: error }, "not started");
  log?.flush();
  process.stderr.write(`bunkms: ${error instanceof Error ? error.message : "unknown failure"}\n`);
  process.exit(error instanceof ConfigError ? 2 : 1);
}
