import type { Policy } from "@bunkms/tlog";
import { readAuditPolicy } from "./audit-policy.ts";
import { type AuditSettings, readAuditSettings } from "./audit-settings.ts";
import { ConfigError } from "./config-error.ts";
import { type JwtSettings, readJwtSettings } from "./jwt-settings.ts";
import { requireReadable } from "./private-file.ts";
import { type RpcSettings, readRpcSettings } from "./rpc-settings.ts";
import { readSealSettings, type SealSettings } from "./seal-settings.ts";
import { label, SETTING_NAMES, SETTINGS, type SettingName } from "./settings.ts";
import { type CommandLine, readCommandLine, readEnvironment, readSettingsFile, type Source } from "./sources.ts";
import type { ListenAddress } from "./value-type.ts";

/** Where the TLS certificate and key lie; both are read again when they change. */
export interface TlsFiles {
  readonly certPath: string;
  readonly keyPath: string;
}

/** All settings, checked. Frozen; printing it shows no secret. */
export interface Config {
  /** With `help` and `version`, nothing was read and all else is the default. */
  readonly command: CommandLine["command"];
  /** Development mode. */
  readonly dev: boolean;
  readonly restAddress: ListenAddress;
  readonly grpcAddress: ListenAddress;
  /** Undefined: there is no such listener. */
  readonly rpc: RpcSettings | undefined;
  /** Undefined: no JWT is taken. */
  readonly jwt: JwtSettings | undefined;
  /** Absolute. */
  readonly dataPath: string;
  readonly store: "sqlite" | "memory";
  /** Whether the start can do with what there is, is for whoever unseals. */
  readonly seals: SealSettings;
  /** The audit log's sinks. */
  readonly audit: AuditSettings;
  /** The file that the settings were read from, if any. Absolute. */
  readonly settingsFile: string | undefined;
  /** The witness file, if the operator put it elsewhere. */
  readonly witnessFile: string | undefined;
  /** The generation of a restored vault that the operator accepts. */
  readonly acceptRollback: number | undefined;
  /** Seconds until a new vault's root token expires; 0: never. */
  readonly rootTokenTtl: number;
  readonly tls: TlsFiles | undefined;
  readonly logLevel: "debug" | "info" | "warn" | "error" | "silent";
  readonly metricsPublic: boolean;
  readonly jwksPublic: boolean;
  readonly auditPublic: boolean;
  /** The audit log's witnesses, and how many are needed. */
  readonly auditPolicy: Policy | undefined;
  readonly auditArchive: string | undefined;
  /** 0: no limit. */
  readonly auditMaxBytes: number;
  readonly maxInFlight: number;
}

/** No root token outlives the set-up of a vault in production. */
const PRODUCTION_ROOT_TTL = 3600;

type Values = {
  readonly [K in SettingName]: ReturnType<(typeof SETTINGS)[K]["type"]["parse"]>;
};

/**
 * Reads the settings: flags before environment before settings file before defaults.
 * Takes the secrets out of `env`, also when it throws.
 * @throws ConfigError with all the reasons at once.
 */
export function readConfig(
  argv: readonly string[] = process.argv.slice(2),
  env: NodeJS.ProcessEnv = process.env,
): Config {
  const commandLine = readCommandLine(argv);
  const environment = readEnvironment(env);
  if (commandLine.command === "help" || commandLine.command === "version") {
    return freeze(commandLine.command, parseValues([]).values, {
      seals: readSealSettings({}, (read) => read()),
      audit: readAuditSettings({}, (read) => read()),
    });
  }
  const sources: Source[] = [commandLine, environment];
  const reasons = [...commandLine.reasons, ...environment.reasons];
  const collect = <T>(read: () => T): T | undefined => collectReasons(reasons, read);

  const filePath = parseValues(sources).values.config;
  const file = filePath === undefined ? undefined : collect(() => readSettingsFile(filePath));
  if (file !== undefined) {
    sources.push(file);
    reasons.push(...file.reasons);
  }
  const { values, problems } = parseValues(sources);
  reasons.push(...problems, ...findContradictions(values));
  const seals = readSealSettings(values, collect);
  const audit = readAuditSettings(values, collect);
  const rpc = collect(() => readRpcSettings(values));
  const jwt = collect(() => readJwtSettings(values));
  const { auditPolicyFile } = values;
  const auditPolicy =
    auditPolicyFile === undefined
      ? undefined
      : collect(() => readAuditPolicy(auditPolicyFile, label("auditPolicyFile")));
  for (const name of ["tlsCert", "tlsKey"] as const) {
    const path = values[name];
    if (path !== undefined) {
      collect(() => requireReadable(path, label(name)));
    }
  }
  if (reasons.length > 0) {
    seals.masterKey?.take().fill(0);
    seals.fileKey?.take().fill(0);
    throw new ConfigError(reasons);
  }
  return freeze(commandLine.command, values, { seals, audit, rpc, jwt, auditPolicy });
}

function collectReasons<T>(reasons: string[], read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ConfigError)) {
      throw error;
    }
    reasons.push(...error.reasons);
    return undefined;
  }
}

/** Parses the first text that a source has for each setting; a malformed one leaves its setting undefined. */
function parseValues(sources: readonly Source[]): { readonly values: Values; readonly problems: readonly string[] } {
  const problems: string[] = [];
  const parse = (name: SettingName): unknown => {
    const source = sources.find(({ texts }) => texts.has(name));
    const text = source?.texts.get(name) ?? SETTINGS[name].default;
    if (text === undefined) {
      return undefined;
    }
    const value = text === "" ? undefined : SETTINGS[name].type.parse(text);
    if (value === undefined) {
      problems.push(`${label(name)}: ${text === "" ? "is empty" : `must be ${SETTINGS[name].type.rule}`}`);
    }
    return value;
  };
  const values = Object.fromEntries(SETTING_NAMES.map((name) => [name, parse(name)]));
  return { values: values as Values, problems };
}

/** What the values say that cannot be true together. */
function findContradictions(values: Values): readonly string[] {
  const { addr, grpcAddr, rpcAddr, dev, allowPlaintext, tlsCert, tlsKey } = values;
  const reasons: string[] = [];
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    reasons.push("--tls-cert and --tls-key go together: give both or none");
  }
  for (const [name, address] of [["addr", addr] as const, ["grpcAddr", grpcAddr] as const]) {
    if (address === undefined || address.isLoopback) {
      continue;
    }
    if (dev === true) {
      reasons.push(`${label(name)}: development mode listens on loopback only; use 127.0.0.1, or production mode`);
    } else if (tlsCert === undefined && allowPlaintext !== true) {
      reasons.push(
        `${label(name)}: is not loopback and there is no TLS; give --tls-cert and --tls-key, or --allow-plaintext`,
      );
    }
  }
  for (const [one, other, names] of [
    [addr, grpcAddr, "--addr and --grpc-addr"],
    [addr, rpcAddr, "--addr and --rpc-addr"],
    [grpcAddr, rpcAddr, "--grpc-addr and --rpc-addr"],
  ] as const) {
    if (one !== undefined && one.port !== 0 && one.port === other?.port && one.host === other.host) {
      reasons.push(`${names} are the same`);
    }
  }
  return reasons;
}

/** What was read of several settings together. */
interface Groups {
  readonly seals: SealSettings;
  readonly audit: AuditSettings;
  readonly rpc?: RpcSettings | undefined;
  readonly jwt?: JwtSettings | undefined;
  readonly auditPolicy?: Policy | undefined;
}

function freeze(
  command: CommandLine["command"],
  values: Values,
  { seals, audit, rpc, jwt, auditPolicy }: Groups,
): Config {
  return Object.freeze({
    command,
    dev: known(values.dev),
    restAddress: Object.freeze(known(values.addr)),
    grpcAddress: Object.freeze(known(values.grpcAddr)),
    rpc: Object.freeze(rpc),
    jwt: Object.freeze(jwt),
    dataPath: known(values.dataPath),
    store: known(values.store),
    seals: Object.freeze(seals),
    audit: Object.freeze(audit),
    settingsFile: values.config,
    witnessFile: values.witnessFile,
    acceptRollback: values.acceptRollback,
    rootTokenTtl: values.rootTokenTtl ?? (values.dev === true ? 0 : PRODUCTION_ROOT_TTL),
    tls:
      values.tlsCert === undefined || values.tlsKey === undefined
        ? undefined
        : Object.freeze({ certPath: values.tlsCert, keyPath: values.tlsKey }),
    logLevel: known(values.logLevel),
    metricsPublic: known(values.metricsPublic),
    jwksPublic: known(values.jwksPublic),
    auditPublic: known(values.auditPublic),
    auditPolicy,
    auditArchive: values.auditArchive,
    auditMaxBytes: values.auditMaxSize ?? 0,
    maxInFlight: known(values.maxInFlight),
  });
}

function known<T>(value: T | undefined): T {
  if (value === undefined) {
    throw new Error("a setting without a value passed the checks");
  }
  return value;
}
