import { type ClientCertificateFiles, readClientPair } from "./client-certificate.ts";
import { ConfigError } from "./config-error.ts";
import { type HiddenText, hiddenFile } from "./hidden-text.ts";
import { readSmallFile } from "./private-file.ts";
import { optional } from "./seal-settings.ts";
import { label, type SettingValues } from "./settings.ts";
import type { SyslogAddress } from "./value-type.ts";

/** What the settings say of the audit log's sinks: which there are, and where. Nothing else says so, no call among it. */
export interface AuditSettings {
  readonly file: { readonly path: string; readonly maxBytes: number; readonly keep: number } | undefined;
  readonly syslog: SyslogAddress | undefined;
  readonly otlp: { readonly address: string; readonly headers?: HiddenText } | undefined;
  readonly webhook: { readonly address: string; readonly secrets: HiddenText } | undefined;
  /** Authorities, PEM, for all that are reached by TLS. */
  readonly ca: string | undefined;
  /** What all that are reached by TLS are shown when they ask. Whether certificate and key fit, is for who uses them. */
  readonly client: ClientCertificateFiles | undefined;
  /** Where a new sink begins. */
  readonly from: "beginning" | "now";
}

const MIB = 1024 * 1024;
const MAX_CA_BYTES = 1024 * 1024;

/**
 * Reads the settings of the sinks.
 * @param collect Takes what is wrong, and goes on.
 */
export function readAuditSettings(values: SettingValues, collect: <T>(read: () => T) => T | undefined): AuditSettings {
  const { auditFile, auditFileMaxSize = 0, auditFileKeep = 1, auditCaCert, auditSinksFrom = "beginning" } = values;
  return {
    file:
      auditFile === undefined ? undefined : { path: auditFile, maxBytes: auditFileMaxSize * MIB, keep: auditFileKeep },
    syslog: values.auditSyslog,
    otlp: collect(() => readOtlp(values)),
    webhook: collect(() => readWebhook(values)),
    ca: collect(() => (auditCaCert === undefined ? undefined : readAuthorities(auditCaCert))),
    client: collect(() => readClient(values)),
    from: auditSinksFrom,
  };
}

function readOtlp({ auditOtlp, auditOtlpHeadersFile }: SettingValues): AuditSettings["otlp"] {
  if (auditOtlp === undefined && auditOtlpHeadersFile !== undefined) {
    throw new ConfigError([`${label("auditOtlpHeadersFile")}: there is no ${label("auditOtlp")} that it is for`]);
  }
  const headers =
    auditOtlpHeadersFile === undefined ? undefined : hiddenFile(auditOtlpHeadersFile, label("auditOtlpHeadersFile"));
  return auditOtlp === undefined ? undefined : { address: auditOtlp, ...optional("headers", headers) };
}

function readWebhook({ auditWebhook, auditWebhookSecretFile }: SettingValues): AuditSettings["webhook"] {
  if (auditWebhook === undefined && auditWebhookSecretFile === undefined) {
    return undefined;
  }
  if (auditWebhook === undefined || auditWebhookSecretFile === undefined) {
    throw new ConfigError([
      `${label("auditWebhook")} and ${label("auditWebhookSecretFile")} go together: give both or none`,
    ]);
  }
  return {
    address: auditWebhook,
    secrets: hiddenFile(auditWebhookSecretFile, label("auditWebhookSecretFile")),
  };
}

function readClient(values: SettingValues): AuditSettings["client"] {
  const { auditClientCert: certPath, auditClientKey: keyPath } = values;
  if (certPath === undefined && keyPath === undefined) {
    return undefined;
  }
  if (certPath === undefined || keyPath === undefined) {
    throw new ConfigError([
      `${label("auditClientCert")} and ${label("auditClientKey")} go together: give both or none`,
    ]);
  }
  const isForTls = [values.auditOtlp, values.auditWebhook].some((address) => /^https:/i.test(address ?? ""));
  if (!isForTls && values.auditSyslog?.isTls !== true) {
    throw new ConfigError([
      `${label("auditClientCert")}: there is no audit sink over TLS that it is for; give ${label("auditSyslog")} with tls://, ` +
        `or ${label("auditOtlp")} or ${label("auditWebhook")} with https://`,
    ]);
  }
  readClientPair({ certPath, keyPath }).key.fill(0);
  return Object.freeze({ certPath, keyPath });
}

function readAuthorities(path: string): string {
  const pem = readSmallFile(path, label("auditCaCert"), MAX_CA_BYTES).bytes.toString("latin1");
  if (!pem.includes("-----BEGIN CERTIFICATE-----")) {
    throw new ConfigError([`${label("auditCaCert")}: holds no certificate in PEM`]);
  }
  return pem;
}
