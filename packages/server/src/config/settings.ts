import { ADDRESS, choice, count, PATH, SECRET, SWITCH, type ValueType } from "./value-type.ts";

/** One setting: where it comes from and what it means. */
export interface Setting<T> {
  /** The command line flag; undefined when there is none. */
  readonly flag: string | undefined;
  /** The environment variable, and the name in a settings file; undefined when there is none. */
  readonly env: string | undefined;
  readonly type: ValueType<T>;
  /** As it would be written; undefined when there is none. */
  readonly default: string | undefined;
  readonly description: string;
  /** Whether the value itself is secret. It has no flag then: other users of the machine see the process list. */
  readonly secret: boolean;
}

function setting<T>(
  flag: string | undefined,
  env: string | undefined,
  type: ValueType<T>,
  fallback: string | undefined,
  description: string,
  secret = false,
): Setting<T> {
  return Object.freeze({ flag, env, type, default: fallback, description, secret });
}

/** All settings. Help, docs/configuration.md (by a test) and the reading of all sources follow this table. */
export const SETTINGS = Object.freeze({
  addr: setting("--addr", "BUNKMS_ADDR", ADDRESS, "127.0.0.1:8080", "REST address; port 0 lets the system choose"),
  grpcAddr: setting("--grpc-addr", "BUNKMS_GRPC_ADDR", ADDRESS, "127.0.0.1:8081", "gRPC address"),
  dataPath: setting("--data-path", "BUNKMS_DATA_PATH", PATH, "./bunkms-data", "Folder of the database"),
  store: setting(
    "--store",
    "BUNKMS_STORE",
    choice("sqlite", "memory"),
    "sqlite",
    "Where records lie; memory forgets all at exit",
  ),
  masterKey: setting(
    undefined,
    "BUNKMS_MASTER_KEY",
    SECRET,
    undefined,
    "Master key: base64:…, 64 hex digits or 32 raw bytes. Prefer a file",
    true,
  ),
  masterKeyFile: setting(
    "--master-key-file",
    "BUNKMS_MASTER_KEY_FILE",
    PATH,
    undefined,
    "File with the master key, readable by its owner only",
  ),
  tlsCert: setting("--tls-cert", "BUNKMS_TLS_CERT", PATH, undefined, "TLS certificate chain, PEM, for both listeners"),
  tlsKey: setting("--tls-key", "BUNKMS_TLS_KEY", PATH, undefined, "TLS private key, PEM"),
  allowPlaintext: setting(
    "--allow-plaintext",
    "BUNKMS_ALLOW_PLAINTEXT",
    SWITCH,
    "false",
    "Allow addresses other than loopback without TLS",
  ),
  logLevel: setting(
    "--log-level",
    "BUNKMS_LOG_LEVEL",
    choice("debug", "info", "warn", "error", "silent"),
    "info",
    "What is logged",
  ),
  metricsPublic: setting(
    "--metrics-public",
    "BUNKMS_METRICS_PUBLIC",
    SWITCH,
    "false",
    "Serve /metrics without a token",
  ),
  jwksPublic: setting(
    "--jwks-public",
    "BUNKMS_JWKS_PUBLIC",
    SWITCH,
    "false",
    "Serve the JWK sets of keys (/v1/keys/NAME/jwks.json) without a token",
  ),
  maxInFlight: setting(
    "--max-in-flight",
    "BUNKMS_MAX_IN_FLIGHT",
    count(1, 65536),
    "1024",
    "Requests at work at once; more are refused with 429",
  ),
  config: setting("--config", "BUNKMS_CONFIG", PATH, undefined, "File of NAME=value lines with the names above"),
  dev: setting(
    "--dev",
    undefined,
    SWITCH,
    "false",
    "Development mode: loopback only, makes a master key file if there is none",
  ),
});

export type SettingName = keyof typeof SETTINGS;

/** The settings in the order of the table. */
export const SETTING_NAMES = Object.freeze(Object.keys(SETTINGS) as SettingName[]);

/** Variables that begin with BUNKMS_ and are not the server's: the CLI's, and those of the test suites. */
export function isForeignVariable(name: string): boolean {
  return (
    name === "BUNKMS_TOKEN" ||
    name === "BUNKMS_TOKEN_FILE" ||
    name === "BUNKMS_URL" ||
    name === "BUNKMS_CACERT" ||
    name === "BUNKMS_SOAK" ||
    name.startsWith("BUNKMS_TEST_")
  );
}
