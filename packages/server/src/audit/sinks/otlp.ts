import { type HttpService, openHttpService } from "../../remote/http-service.ts";
import { parseJson } from "../../remote/json-service.ts";
import type { ContextSource } from "../../remote/secure-context.ts";
import { readServiceAddress } from "../../remote/service-address.ts";
import { decodeEntry } from "../entry.ts";
import { HTTP_TIMEOUT_MS, post } from "./http-delivery.ts";
import { DeliveryFailed, type Sink, type SinkEntry } from "./sink.ts";

export interface OtlpSinkOptions {
  /** Without `/v1/logs`, which comes after it: https, or http on loopback. */
  readonly address: string;
  /** Headers for authentication, asked for at each call. @throws Error when they cannot be read. */
  readonly readHeaders: () => Readonly<Record<string, string>>;
  /** Asked at each call; without, the built-in authorities are trusted, and no certificate is presented. */
  readonly tls?: ContextSource | undefined;
  /** The log's name (spec/audit.md). */
  readonly origin: string;
  /** The server's. */
  readonly version: string;
  /** Told how many entries the collector took and dropped. */
  readonly onRejected: (count: number) => void;
  /** What tests put in the place of the real. */
  readonly timeoutMs?: number;
}

/** The statuses that OTLP/HTTP calls retryable ("Failures", "Retryable Response Codes"). */
const RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504]);
/** SeverityNumber of the logs data model, and its name; the last as its table maps syslog's "critical". */
const ORDINARY = { number: 9, text: "INFO" };
const REFUSED = { number: 10, text: "INFO2" };
const CRITICAL = { number: 18, text: "ERROR2" };

/** OTLP logs over HTTP in JSON (OTLP 1.x). The body of a log record is the entry's bytes. */
export class OtlpSink implements Sink {
  readonly name = "otlp";
  readonly #options: OtlpSinkOptions;
  readonly #service: HttpService;
  readonly #path: string;

  /** @throws AddressRefused */
  constructor(options: OtlpSinkOptions) {
    const address = readServiceAddress(options.address, "the OTLP collector's address");
    this.#options = options;
    this.#service = openHttpService(address, options.tls);
    this.#path = `${address.pathname.replace(/\/$/, "")}/v1/logs`;
  }

  async deliver(entries: readonly SinkEntry[], signal: AbortSignal): Promise<void> {
    const { readHeaders, timeoutMs = HTTP_TIMEOUT_MS } = this.#options;
    let headers: Readonly<Record<string, string>>;
    try {
      headers = readHeaders();
    } catch {
      throw new DeliveryFailed("the file with the OTLP collector's headers cannot be read", { needsMending: true });
    }
    const body = Buffer.from(JSON.stringify(this.#request(entries, Date.now())));
    const answer = await post(
      this.#service,
      {
        receiver: "the OTLP collector",
        path: this.#path,
        headers: { ...headers, "content-type": "application/json" },
        body,
        timeoutMs,
      },
      (status) => RETRYABLE.has(status),
      signal,
    );
    const rejected = Math.min(rejectedRecords(parseJson(answer.body.toString("utf8"))), entries.length);
    if (rejected > 0) {
      this.#options.onRejected(rejected);
    }
  }

  async close(): Promise<void> {
    this.#service.close();
  }

  /** An ExportLogsServiceRequest in the JSON of OTLP: 64-bit numbers are texts of decimal digits. */
  #request(entries: readonly SinkEntry[], now: number): object {
    const { origin, version } = this.#options;
    return {
      resourceLogs: [
        {
          resource: { attributes: [text("service.name", "bunkms"), text("service.version", version)] },
          scopeLogs: [
            {
              scope: { name: "bunkms.audit", attributes: [text("bunkms.audit.log", origin)] },
              logRecords: entries.map((entry) => logRecord(entry, now)),
            },
          ],
        },
      ],
    };
  }
}

function logRecord({ index, bytes }: SinkEntry, now: number): object {
  const { time, operation, resource, outcome, critical } = decodeEntry(bytes);
  const severity = critical ? CRITICAL : outcome === "ok" ? ORDINARY : REFUSED;
  return {
    timeUnixNano: nanoseconds(time),
    observedTimeUnixNano: nanoseconds(now),
    severityNumber: severity.number,
    severityText: severity.text,
    eventName: "bunkms.audit.entry",
    body: { stringValue: bytes.toString("utf8") },
    attributes: [
      { key: "bunkms.audit.index", value: { intValue: String(index) } },
      text("bunkms.audit.operation", operation),
      text("bunkms.audit.resource", resource),
      text("bunkms.audit.outcome", outcome),
    ],
  };
}

function text(key: string, value: string): object {
  return { key, value: { stringValue: value } };
}

function nanoseconds(ms: number): string {
  return `${BigInt(ms) * 1_000_000n}`;
}

/** Of an ExportLogsServiceResponse. JSON of protobuf may have the number as a text. */
function rejectedRecords(body: unknown): number {
  const partial = (body as { readonly partialSuccess?: { readonly rejectedLogRecords?: unknown } } | null | undefined)
    ?.partialSuccess;
  const count = Number(partial?.rejectedLogRecords ?? 0);
  return Number.isSafeInteger(count) && count > 0 ? count : 0;
}
