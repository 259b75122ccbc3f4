import type { IncomingMessage } from "node:http";
import { isJsonObject } from "./strict-json.ts";

/**
 * What `/v1/sys` has besides the contract, so that clients of HashiCorp Vault's published API, OpenBao's among them, find
 * what they expect: their health path with its status codes, their token header, an `errors` list in error bodies, any
 * content type, and `null` for fields that are not given.
 */
export const SYS_HEALTH_PATH = "/v1/sys/health";

const SYS = "/v1/sys/";

/** What the health path tells. */
export interface SysHealth {
  /** Whether there is a vault. */
  readonly initialised: boolean;
  /** `uninitialised`, `sealed`, `waiting`, `unsealed` or `degraded`. */
  readonly state: string;
  /** Kinds of the seals that fail. */
  readonly failing: readonly string[];
  /** The cluster's id; empty while sealed. */
  readonly cluster: string;
  readonly version: string;
}

export function isSysPath(path: string): boolean {
  return path.startsWith(SYS);
}

/**
 * Whether a request comes from a client of Vault's API, which may give any content type, or none. No page of another site
 * can make a browser send one: both the method and the header need its leave first (Fetch standard, CORS preflight). A page
 * whose name is made to point here (DNS rebinding) is of this site, with any content type.
 */
export function isVaultsOwn({ method, headers }: IncomingMessage, path: string): boolean {
  return isSysPath(path) && (method === "PUT" || headers["x-vault-request"] !== undefined);
}

/** Members that are `null` are not there. */
export function withoutNulls(json: unknown): unknown {
  return isJsonObject(json) ? Object.fromEntries(Object.entries(json).filter(([, value]) => value !== null)) : json;
}

/**
 * The answer of the health path. Its query may give other status codes, as Vault's does: `activecode`, `sealedcode`,
 * `uninitcode`; what else it says has no meaning for a single node.
 */
export function sysHealthAnswer(
  health: SysHealth,
  query: string,
  isClosing: boolean,
): { readonly status: number; readonly body: Readonly<Record<string, unknown>> } {
  const { initialised, state, version, cluster, failing } = health;
  const isOpen = (state === "unsealed" || state === "degraded") && !isClosing;
  const [name, usual] = isOpen
    ? (["activecode", 200] as const)
    : initialised
      ? (["sealedcode", 503] as const)
      : (["uninitcode", 501] as const);
  return {
    status: codeIn(query, name) ?? usual,
    body: {
      initialized: initialised,
      sealed: !isOpen,
      standby: false,
      performance_standby: false,
      replication_performance_mode: "disabled",
      replication_dr_mode: "disabled",
      server_time_utc: Math.floor(Date.now() / 1000),
      version,
      cluster_name: cluster === "" ? "" : "bunkms",
      cluster_id: cluster,
      state,
      failing_seals: failing,
    },
  };
}

function codeIn(query: string, name: string): number | undefined {
  const text = new URLSearchParams(query).get(name);
  return text !== null && /^[2-5][0-9]{2}$/.test(text) ? Number(text) : undefined;
}
