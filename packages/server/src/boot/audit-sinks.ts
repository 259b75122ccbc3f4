import { checkArchivePlace } from "../audit/archive-place.ts";
import type { CursorStore, LogSource, SinkTally } from "../audit/sinks/feeder.ts";
import { Feeder } from "../audit/sinks/feeder.ts";
import { FileSink } from "../audit/sinks/file.ts";
import { checkPlace, PlaceRefused } from "../audit/sinks/file-place.ts";
import { checkTail } from "../audit/sinks/file-tail.ts";
import { OtlpSink } from "../audit/sinks/otlp.ts";
import { HeadersRefused, parseOtlpHeaders } from "../audit/sinks/otlp-headers.ts";
import { SINK_NAMES, type Sink, type SinkName } from "../audit/sinks/sink.ts";
import { SyslogSink } from "../audit/sinks/syslog.ts";
import { WebhookSink } from "../audit/sinks/webhook.ts";
import { parseWebhookSecrets, SecretsRefused } from "../audit/sinks/webhook-secrets.ts";
import type { AuditSettings } from "../config/audit-settings.ts";
import type { Config } from "../config/config.ts";
import { ConfigError } from "../config/config-error.ts";
import type { HiddenText } from "../config/hidden-text.ts";
import { label, type SettingName } from "../config/settings.ts";
import { type ContextSource, trusting } from "../remote/secure-context.ts";
import { AddressRefused, readServiceAddress } from "../remote/service-address.ts";
import { ClientCertificate } from "./client-certificate.ts";
import { VERSION } from "./version.ts";

/** A log to feed from, for as long as its vault is open. */
export interface OpenLog {
  /** The log's name (spec/audit.md). */
  readonly origin: string;
  readonly source: LogSource;
  readonly cursors: CursorStore;
}

/** How one sink does, for the metrics. */
export interface SinkStatus extends SinkTally {
  readonly name: SinkName;
}

interface SinkReport {
  info(what: Readonly<Record<string, unknown>>, text: string): void;
  warn(what: Readonly<Record<string, unknown>>, text: string): void;
}

/** For what sinks are just taking. */
const GRACE_MS = 500;

/** The sinks that there are settings for, fed while a vault is open. */
export class AuditSinks {
  readonly #settings: AuditSettings;
  readonly #report: SinkReport;
  readonly #tallies: ReadonlyMap<SinkName, SinkTally>;
  readonly #tls: ContextSource | undefined;
  #feeders: ReadonlyMap<SinkName, Feeder> = new Map();

  /** @param settings Those that passed `checkAudit`. @throws ConfigError when the client certificate is another since. */
  constructor(settings: AuditSettings, report: SinkReport) {
    this.#settings = settings;
    this.#report = report;
    this.#tls = openTls(settings, (err) =>
      report.warn({ err }, "the audit sinks' client certificate was not read anew"),
    );
    const names = SINK_NAMES.filter((name) => settings[name] !== undefined);
    this.#tallies = new Map(names.map((name) => [name, { lag: 0, failures: 0, rejected: 0, lastSuccess: 0 }]));
  }

  /** Feeds them from this log, until `stop`. */
  start({ origin, source, cursors }: OpenLog): void {
    void this.stop();
    const report = this.#report;
    this.#feeders = new Map(
      [...this.#tallies].map(([name, tally]) => {
        const feeder = new Feeder({
          sink: this.#open(name, origin, tally),
          source,
          cursors,
          from: this.#settings.from,
          tally,
          onFailing: (reason, err) =>
            report.warn({ sink: name, err }, `the audit sink does not take entries: ${reason}`),
          onRecovered: () => report.info({ sink: name }, "the audit sink takes entries again"),
        });
        feeder.start();
        return [name, feeder];
      }),
    );
  }

  /** Ends feeding, in a second or two at most: whoever seals the vault is in a hurry. */
  async stop(): Promise<void> {
    // Taken first: it may be started anew before these have ended.
    const feeders = this.#feeders;
    this.#feeders = new Map();
    await Promise.all([...feeders.values()].map((feeder) => feeder.stop(GRACE_MS)));
  }

  /** Has files opened anew that were moved away. */
  reopen(): void {
    for (const feeder of this.#feeders.values()) {
      feeder.reopen();
    }
  }

  get status(): readonly SinkStatus[] {
    return [...this.#tallies].map(([name, tally]) => ({
      name,
      ...tally,
      lag: this.#feeders.get(name)?.lag ?? tally.lag,
    }));
  }

  #open(name: SinkName, origin: string, tally: SinkTally): Sink {
    const { file, syslog, otlp, webhook } = this.#settings;
    const tls = this.#tls;
    switch (name) {
      case "file":
        return new FileSink(given(file));
      case "syslog":
        return new SyslogSink({ ...given(syslog), tls, origin });
      case "otlp":
        return new OtlpSink({
          address: given(otlp).address,
          readHeaders: () => readHeaders(given(otlp).headers),
          tls,
          origin,
          version: VERSION,
          onRejected: (count) => {
            tally.rejected += count;
            this.#report.warn({ sink: name, count }, "the OTLP collector took entries and dropped them");
          },
        });
      case "webhook":
        return new WebhookSink({
          address: given(webhook).address,
          readSecrets: () => given(webhook).secrets.read(),
          tls,
          origin,
        });
    }
  }
}

function openTls({ ca, client }: AuditSettings, onBroken: (error: unknown) => void): ContextSource | undefined {
  if (client !== undefined) {
    const certificate = new ClientCertificate(client, ca, onBroken);
    return () => certificate.context();
  }
  return ca === undefined ? undefined : trusting(ca);
}

function readHeaders(headers: HiddenText | undefined): Readonly<Record<string, string>> {
  const bytes = headers?.read() ?? Buffer.alloc(0);
  try {
    return parseOtlpHeaders(bytes);
  } finally {
    bytes.fill(0);
  }
}

/**
 * Looks at all that can be known before the start: a typing error is found then, not in the log an hour later.
 * @throws ConfigError when what the settings name cannot be used. Nothing was written then.
 */
export async function checkAudit(config: Config): Promise<void> {
  const { auditArchive, dataPath } = config;
  const { file, otlp, webhook } = config.audit;
  const reasons: string[] = [];
  const check = async (name: SettingName, look: () => unknown): Promise<void> => {
    try {
      await look();
    } catch (error) {
      if (!REFUSALS.some((kind) => error instanceof kind)) {
        throw error;
      }
      reasons.push(`${label(name)}: ${(error as Error).message}`);
    }
  };
  if (auditArchive !== undefined) {
    await check("auditArchive", () => checkArchivePlace(auditArchive, dataPath));
  }
  if (file !== undefined) {
    await check("auditFile", async () => {
      checkPlace(file.path, ownPaths(config));
      await checkTail(file.path);
    });
  }
  if (otlp !== undefined) {
    await check("auditOtlp", () => readServiceAddress(otlp.address, "it"));
    await check("auditOtlpHeadersFile", () => readHeaders(otlp.headers));
  }
  if (webhook !== undefined) {
    await check("auditWebhook", () => readServiceAddress(webhook.address, "it"));
    await check("auditWebhookSecretFile", () => {
      const bytes = webhook.secrets.read();
      try {
        for (const secret of parseWebhookSecrets(bytes)) {
          secret.fill(0);
        }
      } finally {
        bytes.fill(0);
      }
    });
  }
  try {
    openTls(config.audit, () => undefined);
  } catch (error) {
    if (!(error instanceof ConfigError)) {
      throw error;
    }
    reasons.push(...error.reasons);
  }
  if (reasons.length > 0) {
    throw new ConfigError(reasons);
  }
}

const REFUSALS = [PlaceRefused, AddressRefused, HeadersRefused, SecretsRefused];

/** The server's own files and folders, as far as the settings name them. */
function ownPaths({ dataPath, witnessFile, settingsFile, auditArchive, tls, audit }: Config): readonly string[] {
  const files = [tls, audit.client].flatMap((pair) => [pair?.certPath, pair?.keyPath]);
  return [dataPath, witnessFile, settingsFile, auditArchive, ...files].filter((path) => path !== undefined);
}

function given<T>(settings: T | undefined): T {
  if (settings === undefined) {
    throw new Error("there are no settings for this audit sink");
  }
  return settings;
}
