import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { JsonObject } from "@bufbuild/protobuf";
import { startServer } from "../harness/server.ts";
import { operationOf, restTransport, type Transport } from "../requirements/operation-call.ts";
import { copyFolder, devMasterKey } from "./sealed-vault.ts";

/** A question to a vault, and the one right answer. */
export interface Fact {
  readonly action: string;
  readonly request: JsonObject;
  readonly token: string;
  readonly code: string;
  readonly value: JsonObject;
}

/** A vault at two times, its server stopped. */
export interface VaultInTwoStates {
  readonly older: string;
  readonly newest: string;
  readonly masterKey: Buffer;
  /** What is true of the newest. */
  readonly facts: readonly Fact[];
}

/** Works with a server on the folder, and stops it. */
async function withServer(dataPath: string, work: (session: Session) => Promise<void>): Promise<void> {
  const server = await startServer({ dataPath, args: ["--log-level", "silent"] });
  const rest = restTransport(server.url);
  await work(new Session(rest, server.rootToken));
  rest.close();
  assert.equal(await server.stop(), 0);
  await server.remove();
}

class Session {
  readonly rest: Transport;
  readonly rootToken: string;

  constructor(rest: Transport, rootToken: string) {
    this.rest = rest;
    this.rootToken = rootToken;
  }

  async do(action: string, request: JsonObject): Promise<JsonObject> {
    const answer = await this.rest.call(operationOf(action), request, { token: this.rootToken });
    assert.equal(answer.code, "ok", `${action}: ${answer.text}`);
    return answer.value;
  }

  encrypt(name: string): Promise<JsonObject> {
    return this.do("keys.encrypt", { key_name: name, plaintext: `of ${name}` });
  }

  async know(action: string, request: JsonObject, token = this.rootToken): Promise<Fact> {
    return { action, request, token, ...(await ask(this.rest, action, request, token)) };
  }
}

const SECRETS = ["kept", "changed", "pushed-out", "leaked", "gone/one"];

/** Keys, whose uses are counted too. */
const KEYS = ["first", "second", "pair", "stopped", "stepped", "doomed", "imported"];

/**
 * Makes a vault with some of everything, and then changes it: keys are rotated, disabled and to be deleted, aliases moved
 * and removed, secrets stored again, destroyed and deleted, tokens revoked.
 */
export async function makeVault(folder: string): Promise<VaultInTwoStates> {
  const dataPath = join(folder, "data");
  const older = join(folder, "older");
  const newest = join(folder, "newest");
  const message_b64 = Buffer.from("message").toString("base64");
  const ciphertexts: { key_name: string; ciphertext: string }[] = [];
  const signatures: { name: string; signature_b64: string; message_b64: string }[] = [];
  const tokens: { token: string; id: string }[] = [];
  const use = async (session: Session): Promise<void> => {
    for (const key_name of ["first", "second"]) {
      ciphertexts.push({ key_name, ciphertext: (await session.encrypt(key_name))["ciphertext"] as string });
    }
    const { signature_b64 } = await session.do("keys.sign", { name: "pair", message_b64 });
    signatures.push({ name: "pair", message_b64, signature_b64: signature_b64 as string });
  };
  await withServer(dataPath, async (session) => {
    await session.do("keys.create", { name: "first" });
    await session.do("keys.create", { name: "second" });
    await session.do("keys.create", { name: "pair", type: "ecdsa-p256" });
    for (const name of ["stopped", "stepped", "doomed"]) {
      await session.do("keys.create", { name });
      ciphertexts.push({ key_name: name, ciphertext: (await session.encrypt(name))["ciphertext"] as string });
    }
    await session.do("keys.rotate", { name: "stepped" });
    await session.do("keys.create", { name: "imported", imported: true });
    await session.do("keys.prepare_import", { name: "imported" });
    for (const [alias, key_name] of [
      ["moved", "first"],
      ["kept", "pair"],
      ["gone", "second"],
    ] as const) {
      await session.do("aliases.set", { alias, key_name });
    }
    await use(session);
    for (const name of SECRETS) {
      await session.do("secrets.put", { name, value: `first value of ${name}` });
    }
    await session.do("secrets.put", { name: "leaked", value: "second value of leaked" });
    for (const role of ["admin", "operator", "reader"]) {
      const made = await session.do("tokens.create", { display_name: role, role, ttl_seconds: 86_400 });
      tokens.push({ token: made["token"] as string, id: made["id"] as string });
    }
  });
  copyFolder(dataPath, older);
  const facts: Fact[] = [];
  await withServer(dataPath, async (session) => {
    await session.do("keys.rotate", { name: "first" });
    await session.do("keys.rotate", { name: "pair" });
    await use(session);
    await session.do("keys.disable", { name: "stopped" });
    await session.do("keys.disable_version", { name: "stepped", version: 1 });
    await session.do("keys.schedule_deletion", { name: "doomed", window_days: 30 });
    await session.do("keys.prepare_import", { name: "imported" });
    await session.do("aliases.set", { alias: "moved", key_name: "second" });
    await session.do("aliases.delete", { alias: "gone" });
    await session.do("secrets.put", { name: "changed", value: "second value" });
    await session.do("secrets.put", { name: "pushed-out", value: "second value", max_versions: 1 });
    for (const version of [1, 2]) {
      await session.do("secrets.destroy_version", { name: "leaked", version });
    }
    await session.do("secrets.delete", { name: "gone/one" });
    await session.do("tokens.revoke", { id: tokens[0]?.id as string });
    // Entries of this millisecond could be on either side of the limit.
    await sleep(2);
    const until = new Date().toISOString();
    facts.push(await session.know("keys.sign", { name: "pair", message_b64 }));
    facts.push(await session.know("keys.import", { name: "imported", ...NOT_WRAPPED }));
    for (const alias of ["moved", "kept", "gone"]) {
      facts.push(await session.know("aliases.get", { alias }));
    }
    for (const request of ciphertexts) {
      facts.push(await session.know("keys.decrypt", request));
    }
    for (const request of signatures) {
      facts.push(await session.know("keys.verify", request));
    }
    for (const name of SECRETS) {
      facts.push(await session.know("secrets.list_versions", { name }));
      for (const version of [0, 1, 2]) {
        facts.push(await session.know("secrets.get", { name, version }));
      }
    }
    for (const { token } of tokens) {
      facts.push(await session.know("tokens.get_self", {}, token));
    }
    for (const action of ["keys.list", "aliases.list", "secrets.list", "tokens.list"]) {
      facts.push(await session.know(action, {}));
    }
    facts.push(await session.know("audit.list", { until, page_size: 1000 }));
    // Learnt last and asked first: what is asked in between uses the keys, and that is counted.
    const counted: Fact[] = [];
    for (const name of [...KEYS, "@moved", "@gone"]) {
      counted.push(await session.know("keys.get", { name }));
    }
    facts.unshift(...counted, await session.know("keys.preview_deletion", { name: "second" }));
  });
  copyFolder(dataPath, newest);
  return { older, newest, masterKey: devMasterKey(dataPath), facts };
}

/** Says, by how it is refused, whether the wrapping key is the right one: bytes that nobody wrapped. */
const NOT_WRAPPED = {
  wrapped_material_b64: Buffer.alloc(384).toString("base64"),
  algorithm: "rsa-oaep-sha256",
  format: "raw",
};

/** What a server answers to a fact's question. */
export interface Told {
  readonly code: string;
  readonly status: number;
  readonly text: string;
  readonly value: JsonObject;
}

/** Asks a server for all facts. */
export async function askFacts(
  rest: Transport,
  facts: readonly Fact[],
): Promise<readonly { fact: Fact; told: Told }[]> {
  const answers: { fact: Fact; told: Told }[] = [];
  for (const fact of facts) {
    answers.push({ fact, told: await ask(rest, fact.action, fact.request, fact.token) });
  }
  return answers;
}

async function ask(rest: Transport, action: string, request: JsonObject, token: string): Promise<Told> {
  const { code, status, text, value } = await rest.call(operationOf(action), request, { token });
  // The log grows with every question, and every signature is another; the rest stays as it is.
  const { tree_size: _, root_hash_b64: __, signature_b64: ___, ...lasting } = value;
  return { code, status, text, value: lasting };
}
