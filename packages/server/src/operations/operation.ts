import type { DescMethod, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { TokenInfo, Tokens } from "../access/tokens.ts";
import type { ArchiveFolder } from "../audit/archive-folder.ts";
import type { AuditProofs } from "../audit/proofs.ts";
import type { AuditReader } from "../audit/reader.ts";
import type { AuditSpace } from "../audit/space.ts";
import type { WitnessingState } from "../audit/witnesses/witnessing.ts";
import type { Ending } from "../crypto/pool.ts";
import type { Plan } from "../vault/plan.ts";
import type { Vault } from "../vault/vault.ts";
import type { Recorder, SealControl } from "./seal-control.ts";

/** What the server says of itself when asked. */
export interface Introspection {
  /** Prometheus text format. */
  metrics(): Promise<string>;
  /** The contract as OpenAPI, JSON. */
  openApi(): Promise<Uint8Array>;
  readonly version: string;
  /** Where records lie: `sqlite` or `memory`. */
  readonly storage: string;
}

/** What handlers work with. */
export interface Services {
  readonly vault: Pick<
    Vault,
    | "keys"
    | "usage"
    | "aliases"
    | "secrets"
    | "imports"
    | "backups"
    | "slots"
    | "logKeys"
    | "auditKey"
    | "retention"
    | "idempotency"
    | "attachments"
  >;
  readonly tokens: Tokens;
  readonly audit: AuditReader;
  readonly auditProofs: AuditProofs;
  readonly auditSpace: AuditSpace;
  /** Where entries are archived; undefined without a setting for it. */
  readonly auditArchive: ArchiveFolder | undefined;
  /** How the log is witnessed; undefined without a policy. */
  readonly witnessing: () => WitnessingState | undefined;
  readonly introspection: Introspection;
  readonly seals: SealControl;
}

/** One call, as a handler sees it: authenticated, validated and authorised. */
export interface CallContext extends Services {
  readonly caller: TokenInfo;
  /** The caller's network address. */
  readonly source: string;
  /** Whether it came over TLS. */
  readonly secure: boolean;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Aborted when nobody waits for the answer any more: for what others are asked. */
  readonly signal: AbortSignal;
  /** The same, and when the vault is sealed: what takes long looks at it. */
  readonly ending: Ending;
}

/** What a handler returns: an answer, and for a mutation what is to be committed before it may leave. */
export interface Outcome<O> {
  readonly response: O;
  readonly plan?: Plan<unknown> | undefined;
  /** Where the call is recorded, if not in the log of the vault that was open when it came. */
  readonly recorder?: Recorder | undefined;
}

/** A handler and the method of the contract that it carries out. */
export interface Operation {
  readonly method: DescMethod;
  handle(context: CallContext, request: never): Promise<Outcome<unknown>>;
}

/**
 * Defines an operation. Its file is named after the method (`CreateKey` → `create-key.ts`) and exports it under the
 * method's name in lower camel case; the registry finds it there.
 */
export function defineOperation<I extends DescMethodUnary["input"], O extends DescMethodUnary["output"]>(
  method: DescMethodUnary<I, O>,
  handle: (context: CallContext, request: MessageShape<I>) => Promise<Outcome<MessageInitShape<O>>>,
): Operation {
  return { method, handle };
}
