import type { OperationSpec } from "@bunkms/contract";
import type { TokenInfo } from "../access/tokens.ts";
import type { OpenVault } from "./custody.ts";

/** What is known of a call so far: what its audit entry says, whenever it ends. */
export interface Progress {
  /** The vault that was open when the call came; none for what needs none. */
  vault?: OpenVault | undefined;
  caller?: TokenInfo;
  spec?: OperationSpec;
  resource: string;
  request: Record<string, string>;
  /** Gives the caller's place back. */
  leave: () => void;
}

/** The caller of an operation that needs no token. */
export const ANYBODY: TokenInfo = { id: "", name: "", role: "reader", createdAt: 0, expiresAt: 0 };
