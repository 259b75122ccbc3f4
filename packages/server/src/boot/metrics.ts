import type * as PromClient from "prom-client";
import type { SignedCheckpoint } from "../audit/checkpoints.ts";
import type { WitnessState } from "../audit/witnesses/checkpoint-witness.ts";
import type { WitnessingState } from "../audit/witnesses/witnessing.ts";
import type { CallLogLine } from "../pipeline/call.ts";
import type { SinkStatus } from "./audit-sinks.ts";
import { Counter, collectRuntimeMetrics, Gauge, Histogram, Registry } from "./prom-client-parts.ts";

/** Where the metrics read what they show. */
interface MetricSources {
  /** Number of entries in the audit log. */
  readonly auditEntries: () => number;
  /** Bytes of those that are in the store. */
  readonly auditBytes: () => number;
  /** Number of those that searches look at one by one. */
  readonly auditUnindexed: () => number;
  /** Number of entries under the newest signed checkpoint. */
  readonly auditSigned: () => number;
  /** Whether the last commit succeeded. */
  readonly healthy: () => boolean;
  /** Number of records that did not open since the vault was opened. */
  readonly damaged: () => number;
  readonly sealed: () => boolean;
  readonly failingSeals: () => number;
  readonly sinks: () => readonly SinkStatus[];
  /** Of a server with a policy of witnesses. */
  readonly witnessing?: WitnessingSource;
}

/** How the log is witnessed. */
interface WitnessingSource {
  /** Undefined while no vault is open. */
  readonly state: () => WitnessingState | undefined;
  /** The newest checkpoint that enough witnesses have cosigned. */
  readonly cosigned: () => SignedCheckpoint | undefined;
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

  constructor({
    auditEntries,
    auditBytes,
    auditUnindexed,
    auditSigned,
    healthy,
    damaged,
    sealed,
    failingSeals,
    sinks,
    witnessing,
  }: MetricSources) {
    collectRuntimeMetrics(this.#registry);
    gauge(this.#registry, "bunkms_audit_entries", "Entries in the audit log", auditEntries);
    gauge(this.#registry, "bunkms_audit_stored_bytes", "Bytes of the audit entries in the store", auditBytes);
    const unindexed = "Audit entries that searches look at one by one since they are not indexed yet";
    gauge(this.#registry, "bunkms_audit_index_lag_entries", unindexed, auditUnindexed);
    gauge(this.#registry, "bunkms_audit_signed_entries", "Audit entries under the newest checkpoint", auditSigned);
    gauge(this.#registry, "bunkms_store_healthy", "1 when the last commit succeeded", () => Number(healthy()));
    const found = "Records found damaged since the vault was opened, also those that are made again; ends at 1000";
    gauge(this.#registry, "bunkms_damaged_records", found, damaged);
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
    if (witnessing !== undefined) {
      addWitnessing(this.#registry, witnessing);
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

function gauge(registry: PromClient.Registry, name: string, help: string, value: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(value());
    },
  });
}

/** The names of witnesses are those of the operator's policy: a closed set. */
function addWitnessing(registry: PromClient.Registry, { state, cosigned }: WitnessingSource): void {
  gauge(registry, "bunkms_audit_quorum_missing", "1 when too few witnesses cosign for more than a minute", () =>
    Number(state()?.quorum === "missing"),
  );
  gauge(
    registry,
    "bunkms_audit_cosigned_entries",
    "Entries that the quorum of witnesses has cosigned",
    () => cosigned()?.size ?? 0,
  );
  gauge(
    registry,
    "bunkms_audit_cosigned_age_seconds",
    "Age of the newest checkpoint that the quorum of witnesses has cosigned; NaN before the first",
    () => (Date.now() - (cosigned()?.at ?? Number.NaN)) / 1000,
  );
  const perWitness = (name: string, help: string, value: (witness: WitnessState) => number): PromClient.Gauge =>
    new Gauge({
      name,
      help,
      labelNames: ["witness"],
      registers: [registry],
      collect() {
        this.reset();
        for (const witness of state()?.witnesses ?? []) {
          this.set({ witness: witness.name }, value(witness));
        }
      },
    });
  perWitness("bunkms_audit_witness_up", "1 when the witness cosigned what was submitted last", ({ isUp }) =>
    Number(isUp),
  );
  perWitness(
    "bunkms_audit_witness_entries",
    "Entries that the witness has cosigned",
    ({ cursor }) => cursor?.size ?? 0,
  );
  perWitness(
    "bunkms_audit_witness_contradicts",
    "1 when the witness has cosigned another log than this one: as after an old copy of the data was put back",
    ({ isContradicting }) => Number(isContradicting),
  );
}
