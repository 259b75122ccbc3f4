import { NETWORKS } from "./networks.ts";
import { SECRET_NAMES } from "./secret-names.ts";
import {
  ADDRESS,
  BYTES,
  choice,
  count,
  HTTP_URL,
  PATH,
  RECEIVER_URL,
  SEALS,
  SECRET,
  SWITCH,
  SYSLOG_ADDRESS,
  TEXT,
  type ValueType,
} from "./value-type.ts";

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

/**
 * All settings. Help, docs/configuration.md (by a test) and the reading of all sources follow this table. It is one table,
 * longer than a file should be, so that whoever looks for a setting has one place to look, and their order is that of the help.
 */
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
  nextMasterKeyFile: setting(
    "--next-master-key-file",
    "BUNKMS_NEXT_MASTER_KEY_FILE",
    PATH,
    undefined,
    "File with the master key that a rewrap of the env slot changes to",
  ),
  seals: setting(
    "--seals",
    "BUNKMS_SEALS",
    SEALS,
    undefined,
    "Seals of a new vault's slots, and the order in which they are tried; env when a master key is given",
  ),
  sealFile: setting(
    "--seal-file",
    "BUNKMS_SEAL_FILE",
    PATH,
    undefined,
    "Seal `file`: file with a wrapping key, in the forms of the master key's",
  ),
  witnessFile: setting(
    "--witness-file",
    "BUNKMS_WITNESS_FILE",
    PATH,
    undefined,
    "File that remembers how far the vault is, best on another disk; witness in the data folder by default",
  ),
  acceptRollback: setting(
    "--accept-rollback",
    undefined,
    count(0, 4_294_967_295),
    undefined,
    "Once, to open a vault that was restored on purpose: its generation, which the refusal names",
  ),
  rootTokenTtl: setting(
    "--root-token-ttl",
    "BUNKMS_ROOT_TOKEN_TTL",
    count(0, 7_776_000),
    undefined,
    "Seconds until a new vault's root token expires; 0: never. 3600 in production, 0 in development",
  ),
  pkcs11Module: setting(
    "--pkcs11-module",
    "BUNKMS_PKCS11_MODULE",
    PATH,
    undefined,
    "Seal `pkcs11`: the token's PKCS#11 library",
  ),
  pkcs11Token: setting(
    "--pkcs11-token",
    "BUNKMS_PKCS11_TOKEN",
    TEXT,
    undefined,
    "Seal `pkcs11`: label of the token, or serial:NUMBER",
  ),
  pkcs11Key: setting(
    "--pkcs11-key",
    "BUNKMS_PKCS11_KEY",
    TEXT,
    "bunkms",
    "Seal `pkcs11`: label of the key in the token",
  ),
  pkcs11KeyId: setting(
    "--pkcs11-key-id",
    "BUNKMS_PKCS11_KEY_ID",
    TEXT,
    undefined,
    "Seal `pkcs11`: id of the key in hexadecimal, where more than one has the label",
  ),
  pkcs11Mechanism: setting(
    "--pkcs11-mechanism",
    "BUNKMS_PKCS11_MECHANISM",
    choice("aes-gcm", "aes-kw", "rsa-oaep", "rsa-oaep-sha1"),
    "aes-gcm",
    "Seal `pkcs11`: how the key wraps",
  ),
  pkcs11Pin: setting(undefined, "BUNKMS_PKCS11_PIN", SECRET, undefined, "Seal `pkcs11`: user PIN. Prefer a file", true),
  pkcs11PinFile: setting(
    "--pkcs11-pin-file",
    "BUNKMS_PKCS11_PIN_FILE",
    PATH,
    undefined,
    "Seal `pkcs11`: file with the user PIN, readable by its owner only",
  ),
  awskmsKeyId: setting(
    "--awskms-key-id",
    "BUNKMS_AWSKMS_KEY_ID",
    TEXT,
    undefined,
    "Seal `awskms`: id, ARN or alias of the key",
  ),
  awskmsRegion: setting("--awskms-region", "BUNKMS_AWSKMS_REGION", TEXT, undefined, "Seal `awskms`: region"),
  awskmsEndpoint: setting(
    "--awskms-endpoint",
    "BUNKMS_AWSKMS_ENDPOINT",
    HTTP_URL,
    undefined,
    "Seal `awskms`: another address of the service",
  ),
  gcpkmsKey: setting(
    "--gcpkms-key",
    "BUNKMS_GCPKMS_KEY",
    TEXT,
    undefined,
    "Seal `gcpkms`: projects/…/locations/…/keyRings/…/cryptoKeys/…",
  ),
  gcpkmsEndpoint: setting(
    "--gcpkms-endpoint",
    "BUNKMS_GCPKMS_ENDPOINT",
    HTTP_URL,
    undefined,
    "Seal `gcpkms`: another address of the service",
  ),
  azurekvKey: setting(
    "--azurekv-key",
    "BUNKMS_AZUREKV_KEY",
    HTTP_URL,
    undefined,
    "Seal `azurekv`: the key's URL, https://NAME.vault.azure.net/keys/KEY",
  ),
  transitAddr: setting(
    "--transit-addr",
    "BUNKMS_TRANSIT_ADDR",
    HTTP_URL,
    undefined,
    "Seal `transit`: address of the other vault",
  ),
  transitKey: setting("--transit-key", "BUNKMS_TRANSIT_KEY", TEXT, "bunkms", "Seal `transit`: name of the key there"),
  transitMount: setting(
    "--transit-mount",
    "BUNKMS_TRANSIT_MOUNT",
    TEXT,
    "transit",
    "Seal `transit`: where Vault or OpenBao has its Transit engine",
  ),
  transitNamespace: setting(
    "--transit-namespace",
    "BUNKMS_TRANSIT_NAMESPACE",
    TEXT,
    undefined,
    "Seal `transit`: namespace of Vault or OpenBao",
  ),
  transitDialect: setting(
    "--transit-dialect",
    "BUNKMS_TRANSIT_DIALECT",
    choice("vault", "bunkms"),
    "vault",
    "Seal `transit`: whose API the other vault speaks",
  ),
  transitToken: setting(
    undefined,
    "BUNKMS_TRANSIT_TOKEN",
    SECRET,
    undefined,
    "Seal `transit`: token for it. Prefer a file",
    true,
  ),
  transitTokenFile: setting(
    "--transit-token-file",
    "BUNKMS_TRANSIT_TOKEN_FILE",
    PATH,
    undefined,
    "Seal `transit`: file with the token, read again when it is refused",
  ),
  transitCaCert: setting(
    "--transit-ca-cert",
    "BUNKMS_TRANSIT_CA_CERT",
    PATH,
    undefined,
    "Seal `transit`: certificates to trust, PEM",
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
  jwtSecret: setting(
    undefined,
    "BUNKMS_JWT_SECRET",
    SECRET,
    undefined,
    "Takes JWTs (HS256) signed with it, 32 bytes or more. Prefer a file",
    true,
  ),
  jwtSecretFile: setting(
    "--jwt-secret-file",
    "BUNKMS_JWT_SECRET_FILE",
    PATH,
    undefined,
    "File with the secret of JWTs, readable by its owner only",
  ),
  jwtMaxTtl: setting(
    "--jwt-max-ttl",
    "BUNKMS_JWT_MAX_TTL",
    count(60, 7_776_000),
    "86400",
    "Seconds that a JWT may live at most; one that lives longer is refused",
  ),
  jwtIssuer: setting("--jwt-issuer", "BUNKMS_JWT_ISSUER", TEXT, undefined, "What the claim iss of a JWT must be"),
  jwtAudience: setting(
    "--jwt-audience",
    "BUNKMS_JWT_AUDIENCE",
    TEXT,
    undefined,
    "What the claim aud of a JWT must be, or have",
  ),
  rpcAddr: setting(
    "--rpc-addr",
    "BUNKMS_RPC_ADDR",
    ADDRESS,
    undefined,
    "Address of the framed RPC of the BunKMS written in Go; it has no authentication",
  ),
  rpcSecrets: setting(
    "--rpc-secrets",
    "BUNKMS_RPC_SECRETS",
    SECRET_NAMES,
    undefined,
    "Secrets that callers of the framed RPC may read and write",
  ),
  rpcClients: setting(
    "--rpc-clients",
    "BUNKMS_RPC_CLIENTS",
    NETWORKS,
    undefined,
    "Addresses that may call the framed RPC; needed when its own is not loopback",
  ),
  auditFile: setting(
    "--audit-file",
    "BUNKMS_AUDIT_FILE",
    PATH,
    undefined,
    "Audit sink `file`: file that gets the audit log's entries, one a line",
  ),
  auditFileMaxSize: setting(
    "--audit-file-max-size",
    "BUNKMS_AUDIT_FILE_MAX_SIZE",
    count(0, 1_048_576),
    "100",
    "Audit sink `file`: MiB from which on it is moved to PATH.1; 0: never, something else rotates it",
  ),
  auditFileKeep: setting(
    "--audit-file-keep",
    "BUNKMS_AUDIT_FILE_KEEP",
    count(1, 10_000),
    "10",
    "Audit sink `file`: how many of the moved ones are kept",
  ),
  auditSyslog: setting(
    "--audit-syslog",
    "BUNKMS_AUDIT_SYSLOG",
    SYSLOG_ADDRESS,
    undefined,
    "Audit sink `syslog`: receiver of RFC 5424 messages",
  ),
  auditOtlp: setting(
    "--audit-otlp",
    "BUNKMS_AUDIT_OTLP",
    HTTP_URL,
    undefined,
    "Audit sink `otlp`: OpenTelemetry collector, without /v1/logs",
  ),
  auditOtlpHeadersFile: setting(
    "--audit-otlp-headers-file",
    "BUNKMS_AUDIT_OTLP_HEADERS_FILE",
    PATH,
    undefined,
    "Audit sink `otlp`: file with headers for it, `name: value` lines, read at each call",
  ),
  auditWebhook: setting(
    "--audit-webhook",
    "BUNKMS_AUDIT_WEBHOOK",
    RECEIVER_URL,
    undefined,
    "Audit sink `webhook`: where signed batches are posted to",
  ),
  auditWebhookSecretFile: setting(
    "--audit-webhook-secret-file",
    "BUNKMS_AUDIT_WEBHOOK_SECRET_FILE",
    PATH,
    undefined,
    "Audit sink `webhook`: file with its signing secrets, whsec_… lines, read at each call",
  ),
  auditCaCert: setting(
    "--audit-ca-cert",
    "BUNKMS_AUDIT_CA_CERT",
    PATH,
    undefined,
    "Audit sinks: certificates to trust, PEM, in place of the built-in ones",
  ),
  auditClientCert: setting(
    "--audit-client-cert",
    "BUNKMS_AUDIT_CLIENT_CERT",
    PATH,
    undefined,
    "Audit sinks: certificate chain to present, PEM, where a receiver over TLS asks for one",
  ),
  auditClientKey: setting(
    "--audit-client-key",
    "BUNKMS_AUDIT_CLIENT_KEY",
    PATH,
    undefined,
    "Audit sinks: its private key, PEM, readable by its owner only; both are read again when they change",
  ),
  auditSinksFrom: setting(
    "--audit-sinks-from",
    "BUNKMS_AUDIT_SINKS_FROM",
    choice("beginning", "now"),
    "beginning",
    "Audit sinks: with which entry a new sink begins",
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
  auditPublic: setting(
    "--audit-public",
    "BUNKMS_AUDIT_PUBLIC",
    SWITCH,
    "false",
    "Serve the audit log's checkpoints, hash tiles and keys, not its entries, without a token",
  ),
  auditPolicyFile: setting(
    "--audit-policy-file",
    "BUNKMS_AUDIT_POLICY_FILE",
    PATH,
    undefined,
    "File (C2SP tlog-policy) with the witnesses of the audit log, and how many of them are needed",
  ),
  auditArchive: setting(
    "--audit-archive",
    "BUNKMS_AUDIT_ARCHIVE",
    PATH,
    undefined,
    "Folder that audit entries are archived to, best on another disk",
  ),
  auditMaxSize: setting(
    "--audit-max-size",
    "BUNKMS_AUDIT_MAX_SIZE",
    BYTES,
    undefined,
    "Size of the stored audit entries at which everything but audit operations is refused",
  ),
  maxInFlight: setting(
    "--max-in-flight",
    "BUNKMS_MAX_IN_FLIGHT",
    count(1, 65536),
    "1024",
    "Requests at work at once, a quarter of them of one token; more are refused with 429",
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

/** The values of settings by name, undefined for those without. */
export type SettingValues = Readonly<{ [K in SettingName]?: ReturnType<(typeof SETTINGS)[K]["type"]["parse"]> }>;

/** The setting as people know it, whichever source it came from. */
export function label(name: SettingName): string {
  const { flag, env } = SETTINGS[name];
  return [flag, env].filter((part) => part !== undefined).join(" / ");
}

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
