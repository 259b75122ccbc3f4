import { performance } from "node:perf_hooks";
import type { Policy } from "@bunkms/tlog";
import type { WitnessReport } from "../audit/witnesses/checkpoint-witness.ts";
import type { WitnessPolicy } from "../audit/witnesses/policy.ts";
import { Witnessing, type WitnessingState } from "../audit/witnesses/witnessing.ts";
import { ConfigError } from "../config/config-error.ts";
import { loadWitness, saveWitnessed } from "../pipeline/audit-checkpoints.ts";
import { AddressRefused, readServiceAddress } from "../remote/service-address.ts";
import type { Unsealed } from "./unseal.ts";

/** A note has room for a hundred signatures (C2SP signed-note), some of which are the log's own. */
const MOST_WITNESSES = 64;

/**
 * The witnesses that a policy gives an address for.
 * @param setting Names the policy in the error.
 * @throws ConfigError when an address may not be called, or the quorum cannot be had by those that have one.
 */
export function usablePolicy(policy: Policy, setting: string): WitnessPolicy {
  const reasons: string[] = [];
  const witnesses = policy.witnesses.flatMap(({ name, key, url }, i) => {
    try {
      return url === undefined
        ? []
        : [{ name, key, address: readServiceAddress(url, `${setting}: the address of witness ${i + 1}`) }];
    } catch (error) {
      if (!(error instanceof AddressRefused)) {
        throw error;
      }
      reasons.push(error.message);
      return [];
    }
  });
  if (reasons.length > 0) {
    throw new ConfigError(reasons);
  }
  if (witnesses.length > MOST_WITNESSES) {
    throw new ConfigError([`${setting}: more than ${MOST_WITNESSES} witnesses have an address`]);
  }
  if (!policy.isQuorum(new Set(witnesses.map(({ name }) => name)))) {
    throw new ConfigError([`${setting}: the quorum cannot be reached by the witnesses that have an address`]);
  }
  return { policy, witnesses };
}

/** The witnessing of the vault that is open. */
export class AuditWitnesses {
  readonly #policy: WitnessPolicy | undefined;
  readonly #report: WitnessReport;
  #current: Witnessing | undefined;

  /** @param policy Undefined: nothing is witnessed. */
  constructor(policy: WitnessPolicy | undefined, report: WitnessReport) {
    this.#policy = policy;
    this.#report = report;
  }

  /** Undefined without a policy, and while no vault is open. */
  get state(): WitnessingState | undefined {
    return this.#current?.state;
  }

  start({ vault, log, tree, checkpoints }: Unsealed): void {
    void this.stop();
    if (this.#policy === undefined) {
      return;
    }
    const { records, logKeys } = vault;
    this.#current = new Witnessing({
      policy: this.#policy,
      checkpoints,
      logKeys: () => logKeys.all.map(({ key }) => key),
      load: (key) => loadWitness(records, key),
      save: (cursors, note) => saveWitnessed(records, cursors, note),
      logSize: () => log.frontier.size,
      proveConsistency: (from, to) => tree.proveConsistency(from, to),
      clock: Date.now,
      monotonic: () => performance.now(),
      report: this.#report,
    });
    this.#current.start();
  }

  async stop(): Promise<void> {
    // Taken first: it may be started anew before this one has ended.
    const current = this.#current;
    this.#current = undefined;
    await current?.stop();
  }
}
