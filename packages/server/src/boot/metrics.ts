import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { CallLogLine } from "../pipeline/call.ts";
import type { SinkStatus } from "./audit-sinks.ts";

/** Where the metrics read what they show. */
interface MetricSources {
  /** Number of entries in the audit log. */
  readonly auditEntries: () => number;
  /** Bytes of those that are in the store. */
  readonly auditBytes: () => number;
  /** Number of entries under the newest signed checkpoint. */
  readonly auditSigned: () => number;
  /** Whether the last commit succeeded. */
  readonly healthy: () => boolean;
  readonly sealed: () => boolean;
  readonly failingSeals: () => number;
  readonly sinks: () => readonly SinkStatus[];
}

/** A metric that each sink has. */
interface SinkMetric {
  readonly name: string;
  readonly help: string;
  value(status: SinkStatus): number;
}

const SINK_GAUGES: readonly SinkMetric[] = [
  {
    name: "bunkms_audit_sink_lag_entries",
    help: "Entries of the audit log that the sink has not got",
    value: ({ lag }) => lag,
  },
  {
    name: "bunkms_audit_sink_last_success_timestamp_seconds",
    help: "When the sink last took entries; 0: not since the start",
    value: ({ lastSuccess }) => lastSuccess / 1000,
  },
];

const SINK_COUNTERS: readonly SinkMetric[] = [
  {
    name: "bunkms_audit_sink_failures_total",
    help: "Attempts to hand entries to the sink that failed",
    value: ({ failures }) => failures,
  },
  {
    name: "bunkms_audit_sink_rejected_entries_total",
    help: "Entries that the sink's receiver took and dropped",
    value: ({ rejected }) => rejected,
  },
];

/** The server's metrics, in Prometheus' text format. Labels come from closed sets: never names, never values. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #requests = new Counter({
    name: "bunkms_requests_total",
    help: "Requests by operation, outcome and transport",
    labelNames: ["operation", "outcome", "transport"] as const,
    registers: [this.#registry],
  });
  readonly #durations = new Histogram({
    name: "bunkms_request_duration_seconds",
    help: "Time from a request's arrival until its answer may leave",
    labelNames: ["operation"] as const,
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5],
    registers: [this.#registry],
  });

  constructor({ auditEntries, auditBytes, auditSigned, healthy, sealed, failingSeals, sinks }: MetricSources) {
    collectDefaultMetrics({ register: this.#registry });
    gauge(this.#registry, "bunkms_audit_entries", "Entries in the audit log", auditEntries);
    gauge(this.#registry, "bunkms_audit_stored_bytes", "Bytes of the audit entries in the store", auditBytes);
    gauge(this.#registry, "bunkms_audit_signed_entries", "Audit entries under the newest checkpoint", auditSigned);
    gauge(this.#registry, "bunkms_store_healthy", "1 when the last commit succeeded", () => Number(healthy()));
    gauge(this.#registry, "bunkms_sealed", "1 when no vault is open", () => Number(sealed()));
    gauge(
      this.#registry,
      "bunkms_seals_failing",
      "Seals that cannot be reached or do not open their slot",
      failingSeals,
    );
    for (const { name, help, value } of SINK_GAUGES) {
      new Gauge({
        ...{ name, help, labelNames: ["sink"] as const, registers: [this.#registry] },
        collect() {
          for (const status of sinks()) {
            this.set({ sink: status.name }, value(status));
          }
        },
      });
    }
    for (const { name, help, value } of SINK_COUNTERS) {
      new Counter({
        ...{ name, help, labelNames: ["sink"] as const, registers: [this.#registry] },
        collect() {
          this.reset();
          for (const status of sinks()) {
            this.inc({ sink: status.name }, value(status));
          }
        },
      });
    }
  }

  observe({ operation, outcome, transport, ms }: CallLogLine): void {
    this.#requests.inc({ operation, outcome, transport });
    this.#durations.observe({ operation }, ms / 1000);
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
}

function gauge(registry: Registry, name: string, help: string, value: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(value());
    },
  });
}
