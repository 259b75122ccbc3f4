import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { CallLogLine } from "../pipeline/call.ts";

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
}

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

  constructor({ auditEntries, auditBytes, auditSigned, healthy, sealed, failingSeals }: MetricSources) {
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
