import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { EnvelopeVector, EnvelopeVectors } from "../../../../spec/vectors/envelope-vectors.ts";
import { createEnvelope, type EnvelopeClient } from "./envelope.ts";
import { EnvelopeError } from "./envelope-error.ts";

const FILE = JSON.parse(
  readFileSync(new URL("../../../../spec/vectors/envelope.json", import.meta.url), "utf8"),
) as EnvelopeVectors;

/** Opens a vector's message with an envelope whose server unwraps to the vector's data key. */
async function read(vector: EnvelopeVector, message: Uint8Array | string) {
  const asked: { keyName: string; ciphertext: string; context: object }[] = [];
  const dataKey = Buffer.from(vector.data_key, "hex");
  const decrypt = async (request: (typeof asked)[number]) => {
    asked.push(request);
    return { plaintextB64: dataKey };
  };
  const envelope = createEnvelope({ keys: { decrypt } } as unknown as EnvelopeClient, { keyName: "k" });
  const additionalData = Buffer.from(vector.additional_data, "hex");
  try {
    const plaintext = await envelope.decrypt(message, { context: vector.context, additionalData });
    return { outcome: "opens", plaintext: Buffer.from(plaintext).toString("hex"), asked, dataKey };
  } catch (error) {
    assert.ok(error instanceof EnvelopeError, String(error));
    return { outcome: error.code, plaintext: undefined, asked, dataKey };
  } finally {
    envelope.close();
  }
}

for (const vector of FILE.vectors) {
  test(`${vector.outcome === "opens" ? "message that opens" : "REQ-14: message that is refused"}: ${vector.name}`, async () => {
    const bytes = Buffer.from(vector.message, "hex");
    for (const message of [bytes, bytes.toString("base64")]) {
      const { outcome, plaintext, asked, dataKey } = await read(vector, message);
      assert.equal(outcome, vector.outcome);
      assert.equal(plaintext, vector.plaintext);
      if (vector.outcome === "malformed") {
        assert.equal(asked.length, 0, "nobody is asked about what is no message");
        continue;
      }
      assert.deepEqual(asked, [{ keyName: "k", ciphertext: vector.wrapped_data_key, context: vector.context }]);
      assert.ok(
        dataKey.every((byte) => byte === 0),
        "the data key is zeroed",
      );
    }
  });
}

test("text that is not the one canonical base64 of a message is no message", async () => {
  const vector = FILE.vectors.find(({ outcome, message }) => outcome === "opens" && message.length % 6 !== 0);
  assert.ok(vector !== undefined);
  const text = Buffer.from(vector.message, "hex").toString("base64");
  assert.match(text, /^bkme.*=$/);
  for (const other of ["", `${text}\n`, ` ${text}`, text.replace(/=+$/, ""), `${text}=`, text.replaceAll("b", "-")]) {
    assert.equal((await read(vector, other)).outcome, "malformed");
  }
});
