import assert from "node:assert/strict";
import type { JsonObject } from "@bufbuild/protobuf";
import { type ServerOptions, startServer, type TestServer } from "../harness/server.ts";
import { type Answer, operationOf, restTransport, type Transport } from "./operation-call.ts";

/** A vault's shares in all forms, and its root token, as they were shown at its making. */
export interface MadeVault {
  /** Text, each of 16 groups. */
  readonly shares: readonly string[];
  readonly hex: readonly string[];
  readonly base64: readonly string[];
  readonly rootToken: string;
  readonly rootTokenExpiresAt: string | undefined;
}

/** A server in production mode whose new vault is to be opened by shares: nobody has made it yet. */
export function startUninitialised(options: ServerOptions = {}): Promise<TestServer> {
  return startServer({
    dev: false,
    ...options,
    env: { BUNKMS_SEALS: "shamir", ...options.env },
  });
}

/** Makes the vault, with 5 shares of which 3 open it. */
export async function initialise(transport: Transport, more: JsonObject = {}): Promise<MadeVault> {
  const request = { secret_shares: 5, secret_threshold: 3, ...more };
  const { code, text, value } = await transport.call(operationOf("seals.initialise"), request);
  assert.equal(code, "ok", text);
  return madeVault(value);
}

/** What the answer to a making says. */
export function madeVault(value: JsonObject): MadeVault {
  const { shares, keys, keys_base64, root_token, root_token_expires_at } = value as Record<string, unknown>;
  return {
    shares: shares as string[],
    hex: keys as string[],
    base64: keys_base64 as string[],
    rootToken: root_token as string,
    rootTokenExpiresAt: (root_token_expires_at ?? undefined) as string | undefined,
  };
}

/** Calls about the seals of one server, over one transport. */
export class SealCalls {
  readonly #transport: Transport;
  readonly #rootToken: string;

  constructor(transport: Transport, rootToken = "") {
    this.#transport = transport;
    this.#rootToken = rootToken;
  }

  /** As nobody. */
  ask(action: string, request: JsonObject = {}, requestId?: string): Promise<Answer> {
    return this.#transport.call(operationOf(action), request, requestId === undefined ? {} : { requestId });
  }

  /** As root. */
  asRoot(action: string, request: JsonObject = {}, requestId?: string): Promise<Answer> {
    const token = this.#rootToken;
    return this.#transport.call(
      operationOf(action),
      request,
      requestId === undefined ? { token } : { token, requestId },
    );
  }

  offer(key: string, more: JsonObject = {}): Promise<Answer> {
    return this.ask("seals.unseal", { key, ...more });
  }

  /** Offers shares that open the vault. */
  async unseal(shares: readonly string[]): Promise<void> {
    for (const share of shares) {
      const { code, text } = await this.offer(share);
      assert.equal(code, "ok", text);
    }
    assert.equal((await this.status())["sealed"], false);
  }

  async seal(): Promise<void> {
    const { code, text } = await this.asRoot("seals.seal");
    assert.equal(code, "ok", text);
  }

  async status(): Promise<JsonObject> {
    return (await this.ask("seals.get_status")).value;
  }
}

/** A transport from another address of loopback, which the server takes for somebody else. */
export function fromAddress(url: string, from: string): Transport {
  return restTransport(url, { from });
}
