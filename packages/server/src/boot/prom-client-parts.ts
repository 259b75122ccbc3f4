/**
 * The parts of prom-client that the server uses. Its one entry brings the rest as well: OpenTelemetry's API (63 files, for exemplars,
 * which are off), a client of push gateways, and what counts over a cluster: together a twentieth of a start, and 2 MB. So
 * they are loaded one by one, under the names that they have in the pinned version; a test compares the metrics with its own.
 */
import { createRequire } from "node:module";
import type * as PromClient from "prom-client";

const require = createRequire(import.meta.url);

export const Registry = require("prom-client/lib/registry") as typeof PromClient.Registry;
export const Counter = require("prom-client/lib/counter") as typeof PromClient.Counter;
export const Gauge = require("prom-client/lib/gauge") as typeof PromClient.Gauge;
export const Histogram = require("prom-client/lib/histogram") as typeof PromClient.Histogram;

/** All that `collectDefaultMetrics` collects but the CPU time, whose file asks for OpenTelemetry. */
const RUNTIME_METRICS = [
  "processStartTime",
  "osMemoryHeap",
  "processOpenFileDescriptors",
  "processMaxFileDescriptors",
  "eventLoopLag",
  "processResources",
  "processHandles",
  "processRequests",
  "heapSizeAndUsed",
  "heapSpacesSizeAndUsed",
  "version",
  "gc",
] as const;

type CollectMetric = (
  registry: PromClient.Registry,
  config: PromClient.DefaultMetricsCollectorConfiguration<PromClient.RegistryContentType>,
) => void;

const CPU_TIMES: readonly (readonly [name: string, time: string, of: readonly (keyof NodeJS.CpuUsage)[]])[] = [
  ["process_cpu_user_seconds_total", "user", ["user"]],
  ["process_cpu_system_seconds_total", "system", ["system"]],
  ["process_cpu_seconds_total", "user and system", ["user", "system"]],
];

/** Collects the metrics of the runtime and the process, as prom-client's `collectDefaultMetrics` does. */
export function collectRuntimeMetrics(registry: PromClient.Registry): void {
  for (const [name, time, of] of CPU_TIMES) {
    new Counter({
      name,
      help: `Total ${time} CPU time spent in seconds.`,
      registers: [registry],
      collect() {
        const usage = process.cpuUsage();
        this.reset();
        this.inc(of.reduce((sum, part) => sum + usage[part], 0) / 1e6);
      },
    });
  }
  for (const name of RUNTIME_METRICS) {
    const collect = require(`prom-client/lib/metrics/${name}`) as CollectMetric;
    collect(registry, { eventLoopMonitoringPrecision: 10 });
  }
}
