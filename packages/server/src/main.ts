import { existsSync } from "node:fs";
import { join } from "node:path";
import pino, { type Logger } from "pino";
import { checkAudit } from "./boot/audit-sinks.ts";
import { ConfiguredSeals } from "./boot/configured-seals.ts";
import {
  devMasterKeyPath,
  ensureDevMasterKey,
  hasRootToken,
  pointerPath,
  rootTokenPath,
  savePointer,
  saveRootToken,
} from "./boot/dev-files.ts";
import { LogOutput } from "./boot/log-output.ts";
import { makeRootToken } from "./boot/root-token.ts";
import { besideStore, type Running, serve } from "./boot/serve.ts";
import { VERSION } from "./boot/version.ts";
import { type Config, readConfig } from "./config/config.ts";
import { ConfigError } from "./config/config-error.ts";
import { helpText } from "./config/help.ts";
import { type MasterKey, readMasterKeyFile } from "./config/master-key.ts";
import { readProcessEnvironment } from "./config/process-environment.ts";
import { settledKinds } from "./config/seal-settings.ts";
import { wipeEncoderMemory } from "./crypto/encoder-memory.ts";
import { type Hardening, hardenProcess, refuseInspector } from "./crypto/process-hardening.ts";
import type { IssuedRootToken } from "./operations/seal-control.ts";
import { openMemoryStore } from "./store/memory.ts";
import { peekSqlite } from "./store/sqlite-peek.ts";
import type { Store } from "./store/store.ts";
import { openStoreThread } from "./store/store-thread.ts";
import { decodeSlot, SLOT_PREFIX, SLOT_TABLE } from "./vault/slot.ts";

/** Exit codes: 0 stopped as asked, 1 could not start or go on, 2 the settings are wrong. */
export async function run(): Promise<void> {
  let log: Logger | undefined;
  let isAboutItself = false;
  process.stdout.on("error", (cause: NodeJS.ErrnoException) => {
    // Whoever asked for help may stop reading, as `head` does.
    if (isAboutItself && cause.code === "EPIPE") {
      process.exit(0);
    }
    fail(isAboutItself ? unwritable(cause) : unprinted(cause), log);
  });
  // What cannot be told there ends nothing.
  process.stderr.on("error", () => {});
  try {
    // First, so that no key is ever in a process that others could look into.
    const hardening = hardenProcess();
    wipeEncoderMemory();
    const environment = readProcessEnvironment();
    const config = readConfig();
    log = makeLogger(config);
    switch (config.command) {
      case "help":
      case "version":
        isAboutItself = true;
        print(config.command === "help" ? helpText() : VERSION);
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
  await checkAudit(config);
  const seals = configureSeals(config);
  // Nothing could be answered any more, and another process may take the folder: whoever looks after this one starts it anew.
  const store = await openStore(config, (reason) => fail(reason, log));
  print(`BunKMS ${VERSION}${config.dev ? ", development mode" : ""}`);
  let running: Running | undefined;
  let rootToken: IssuedRootToken | undefined;
  const announceToken = (token: IssuedRootToken): void => {
    rootToken = token;
    printRootToken(token);
    try {
      if (config.dev) {
        saveRootToken(rootTokenPath(config), token.token);
      }
      if (running !== undefined) {
        // A seal was waited for.
        invite(config, running, token, configHome, log);
      }
    } catch (err) {
      log.error({ err }, "the root token was not left for the command line");
    }
  };
  try {
    running = await serve({ config, store, seals, log, announce: announceToken });
  } catch (error) {
    await store.close();
    throw error;
  }
  stopOnSignal(running, log);
  announce(config, running);
  invite(config, running, rootToken, configHome, log);
}

async function newRootToken(config: Config): Promise<void> {
  const seals = configureSeals(config);
  const store = await openStore(config);
  try {
    const token = await makeRootToken(store, seals, config.rootTokenTtl, besideStore(config));
    if (config.dev) {
      saveRootToken(rootTokenPath(config), token.token);
    }
    print(`Root token  ${token.token}`);
    print(
      `It is not shown again${expiry(token)}. Other root tokens go on working: \`bunkms token list\`, \`bunkms token revoke ID\`.`,
    );
  } finally {
    await seals.close();
    await store.close();
  }
}

/**
 * The seals that there are settings for. Development mode makes a master key file where there is nothing else; a vault
 * that waits for shares needs no settings.
 */
function configureSeals(config: Config): ConfiguredSeals {
  const { seals, dev } = config;
  const isSettled = settledKinds(seals).size > 1 || seals.named !== undefined;
  if (dev && seals.masterKey === undefined && (seals.named?.includes("env") ?? !isSettled)) {
    return new ConfiguredSeals({ ...seals, masterKey: devMasterKey(config) });
  }
  if (!isSettled && !existingKinds(config).includes("shamir")) {
    throw new ConfigError([
      "the master key is missing: set BUNKMS_MASTER_KEY_FILE or BUNKMS_MASTER_KEY, name other seals with BUNKMS_SEALS, " +
        `or try --dev. In production none is ever made up${existingSlots(config)}`,
    ]);
  }
  return new ConfiguredSeals(seals);
}

function devMasterKey(config: Config): MasterKey | undefined {
  const path = devMasterKeyPath(config.dataPath);
  if (!existsSync(path) && existsSync(join(config.dataPath, "bunkms.db"))) {
    if (existingKinds(config).some((kind) => kind !== "env")) {
      return undefined;
    }
    throw new Error(
      `${path} is missing, but the folder holds a vault${existingSlots(config)}: ` +
        "put its master key file back, or remove the folder to start anew",
    );
  }
  return readMasterKeyFile(ensureDevMasterKey(config.dataPath), "master.key");
}

/** Which seals could open the vault that is there, if one is. */
function existingSlots(config: Config): string {
  const kinds = existingKinds(config);
  return kinds.length === 0 ? "" : ` (slots: ${kinds.join(", ")})`;
}

function existingKinds({ dataPath }: Config): readonly string[] {
  return peekSqlite(dataPath, SLOT_TABLE, SLOT_PREFIX).map((value) => decodeSlot(value)?.kind ?? "damaged");
}

function openStore(config: Config, onLost?: (reason: Error) => void): Promise<Store> {
  return config.store === "memory" ? Promise.resolve(openMemoryStore()) : openStoreThread(config.dataPath, onLost);
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

function printRootToken(token: IssuedRootToken): void {
  print(`Root token  ${token.token}`);
  print(`It is shown this once${expiry(token)}. Keep it where nobody else reads it.`);
}

function expiry({ expiresAt }: IssuedRootToken): string {
  return expiresAt === 0 ? "" : `, and expires at ${new Date(expiresAt).toISOString()} (--root-token-ttl)`;
}

function announce(config: Config, running: Running): void {
  print(`REST  ${running.restUrl}`);
  print(`gRPC  ${running.grpcAddress}`);
  if (config.rpc !== undefined) {
    const { secrets, clients } = config.rpc;
    print(
      `RPC   ${running.rpcAddress}, without authentication: whoever ${clients === undefined ? "runs on this machine" : "calls from a listed address"} ` +
        `reads and writes the secrets ${secrets.join(", ")}`,
    );
  }
  print(`Data  ${config.store === "memory" ? "in memory, gone at exit" : config.dataPath}`);
  const { state, initialised } = running.status();
  if (state === "uninitialised") {
    print("There is no vault yet: `bunkms operator init` makes it, or POST /v1/sys/init.");
  } else if (state === "sealed") {
    print("The vault is sealed: `bunkms operator unseal` takes shares, or POST /v1/sys/unseal.");
  } else if (state === "waiting") {
    print(
      initialised
        ? "The vault is sealed and waits for a seal that cannot be reached; see the log and /ready."
        : "There is no vault yet: it is made, and its root token printed, when a seal that cannot be reached is back; " +
            "see the log and /ready.",
    );
  }
}

/** How to begin, for who has just been given the root token, and for the CLI in development mode. */
function invite(
  config: Config,
  running: Running,
  rootToken: IssuedRootToken | undefined,
  configHome: string | undefined,
  log: Logger,
): void {
  if (!config.dev) {
    // Every user of a machine sees its command lines: the token is asked for.
    if (rootToken !== undefined) {
      print(`CLI   npx bunkms login --url ${running.restUrl}   (it asks for the token)`);
    }
    return;
  }
  if (rootToken !== undefined) {
    print(`Try it:\n  curl -H 'Authorization: Bearer ${rootToken.token}' \\
    -H 'Content-Type: application/json' -d '{"name":"first"}' ${running.restUrl}/v1/keys`);
  }
  leaveForCli(config, running, configHome, log);
}

/** Development mode: the CLI works in the next terminal without being told anything, where there is a home to leave it in. */
function leaveForCli(config: Config, running: Running, configHome: string | undefined, log: Logger): void {
  const tokenFile = rootTokenPath(config);
  const { initialised } = running.status();
  if (initialised && !hasRootToken(tokenFile)) {
    print(
      "The root token's file is gone: `bunkms server new-root-token --dev` makes another while the server is stopped.",
    );
    return;
  }
  let found = "   (it finds this server and its token)";
  try {
    savePointer(pointerPath(configHome), running.restUrl, running.grpcAddress, tokenFile);
  } catch (err) {
    log.warn({ err }, "the command line will not find this server by itself");
    found = ` --url ${running.restUrl} --token-file ${tokenFile}`;
  }
  if (initialised) {
    print(`CLI   npx bunkms key list${found}`);
  }
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
  const output = new LogOutput(process.stderr.fd);
  process.on("exit", () => output.writeLast());
  return pino({ level: config.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime }, output);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Standard output was closed, or its disk is full. */
function unwritable(cause: NodeJS.ErrnoException): Error {
  return new Error(`standard output cannot be written (${cause.code ?? "unknown error"})`, { cause });
}

/** What was to be printed may have been a root token, which is shown once. */
function unprinted(cause: NodeJS.ErrnoException): Error {
  const { message } = unwritable(cause);
  return new Error(`${message}; for a root token that was not shown, new-root-token makes another`, { cause });
}

/** The reason in words for who started the server; where it came from only with a lower log level. */
function fail(error: unknown, log: Logger | undefined): never {
  log?.debug({ err: error }, "not started");
  process.stderr.write(`bunkms: ${error instanceof Error ? error.message : "unknown failure"}\n`);
  process.exit(error instanceof ConfigError ? 2 : 1);
}
