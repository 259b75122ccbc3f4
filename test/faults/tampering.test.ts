import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import { ERRORS } from "@bunkms/contract";
import { startServer } from "../harness/server.ts";
import { type Answer, operationOf, restTransport, type Transport } from "../requirements/operation-call.ts";
import { type Seeded, seeded } from "../vectors/seeded.ts";
import { copyFolder, devMasterKey, openServer, type Row, SealedRows } from "./sealed-vault.ts";

const FLIPS_PER_TABLE = process.env["BUNKMS_SOAK"] === "1" ? 1000 : 16;
const TABLES = ["meta", "key", "key-version", "key-material", "secret", "secret-version", "secret-value", "token", "audit"];

/** A question to the vault, and the one right answer. */
interface Fact {
  readonly action: string;
  readonly request: JsonObject;
  readonly token: string;
  readonly code: string;
  readonly value: JsonObject;
}

let folder: string;
/** The data folder as it was first, and as it is now. */
let older: string;
let newer: string;
let masterKey: Buffer;
const facts: Fact[] = [];
let copies = 0;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "bunkms-tampering-"));
  const dataPath = join(folder, "data");
  const tokens: string[] = [];
  const ids: string[] = [];
  const ciphertexts: string[] = [];

  const session = async (work: (call: (action: string, request: JsonObject) => Promise<JsonObject>, rest: Transport, root: string) => Promise<void>) => {
    const server = await startServer({ dataPath, args: ["--log-level", "silent"] });
    const rest = restTransport(server.url);
    const call = async (action: string, request: JsonObject): Promise<JsonObject> => {
      const answer = await rest.call(operationOf(action), request, { token: server.rootToken });
      assert.equal(answer.code, "ok", `${action}: ${answer.text}`);
      return answer.value;
    };
    await work(call, rest, server.rootToken);
    rest.close();
    await server.stop();
    await server.remove();
  };
  const encrypt = async (call: (action: string, request: JsonObject) => Promise<JsonObject>, name: string) => {
    const { ciphertext } = await call("keys.encrypt", { key_name: name, plaintext: name });
    ciphertexts.push(ciphertext as string);
  };
