import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { handleUnaryCall, Metadata, ServiceError } from "@grpc/grpc-js";
import protobuf from "protobufjs";
import { crc32c } from "../../packages/server/src/seal/crc32c.ts";
import { ROOT } from "../../scripts/run-program.ts";

const PROTOS = join(ROOT, "node_modules", "@google-cloud", "kms", "build", "protos", "protos.json");
const SERVICE = "google.cloud.kms.v1.KeyManagementService";

/** One message of the service, as protobufjs decodes it. */
export type Message = Record<string, unknown>;

export interface GoogleKmsOptions {
  readonly tls: { readonly cert: string; readonly key: string };
  /** Called before each answer; what it throws is answered. It may change the answer. */
  before?: (method: "Encrypt" | "Decrypt", request: Message, metadata: Metadata) => Promise<void> | void;
  after?: (answer: Message) => void;
}

/**
 * A stand-in for Google Cloud KMS, written from its published protocol (google/cloud/kms/v1/service.proto): Encrypt and
 * Decrypt over gRPC with TLS, AES-256-GCM, checksums as described there. It is not Google's service.
 */
export async function startGoogleKms(options: GoogleKmsOptions): Promise<{ readonly url: string; close(): void }> {
  const grpc = await import("@grpc/grpc-js");
  const root = protobuf.Root.fromJSON(JSON.parse(readFileSync(PROTOS, "utf8")));
  const keys = new Map<string, Buffer>();
  const keyOf = (name: string): Buffer => {
    const key = keys.get(name) ?? randomBytes(32);
    keys.set(name, key);
    return key;
  };
  const refuse = (code: number, details: string): ServiceError =>
    Object.assign(new Error(details), { code, details, metadata: new grpc.Metadata() });

  const answers = {
    Encrypt({ name, plaintext, additionalAuthenticatedData: aad }: Message): Message {
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", keyOf(name as string), nonce).setAAD(aad as Buffer);
      const ciphertext = Buffer.concat([
        nonce,
        cipher.update(plaintext as Buffer),
        cipher.final(),
        cipher.getAuthTag(),
      ]);
      return {
        name: `${name}/cryptoKeyVersions/1`,
        ciphertext,
        ciphertextCrc32c: { value: crc32c(ciphertext) },
        verifiedPlaintextCrc32c: true,
        verifiedAdditionalAuthenticatedDataCrc32c: true,
      };
    },
    Decrypt({ name, ciphertext, additionalAuthenticatedData: aad }: Message): Message {
      const bytes = ciphertext as Buffer;
      try {
        const decipher = createDecipheriv("aes-256-gcm", keyOf(name as string), bytes.subarray(0, 12))
          .setAAD(aad as Buffer)
          .setAuthTag(bytes.subarray(-16));
        const plaintext = Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
        return { plaintext, plaintextCrc32c: { value: crc32c(plaintext) }, usedPrimary: true };
      } catch {
        throw refuse(3, "Decryption failed: verify that 'name' refers to the correct CryptoKey.");
      }
    },
  };

  const server = new grpc.Server();
  for (const method of ["Encrypt", "Decrypt"] as const) {
    const request = root.lookupType(`google.cloud.kms.v1.${method}Request`);
    const response = root.lookupType(`google.cloud.kms.v1.${method}Response`);
    const handle: handleUnaryCall<Message, Message> = async (call, callback) => {
      try {
        checkChecksums(call.request);
        await options.before?.(method, call.request, call.metadata);
        const answer = answers[method](call.request);
        options.after?.(answer);
        callback(null, answer);
      } catch (error) {
        callback(error as ServiceError);
      }
    };
    const definition = {
      path: `/${SERVICE}/${method}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: (message: Message) => Buffer.from(request.encode(request.fromObject(message)).finish()),
      requestDeserialize: (bytes: Buffer) => request.decode(bytes) as unknown as Message,
      responseSerialize: (message: Message) => Buffer.from(response.encode(response.fromObject(message)).finish()),
      responseDeserialize: (bytes: Buffer) => response.decode(bytes) as unknown as Message,
    } as const;
    server.addService({ [method]: definition }, { [method]: handle });
  }

  function checkChecksums(message: Message): void {
    for (const field of ["plaintext", "ciphertext", "additionalAuthenticatedData"]) {
      const bytes = message[field] as Buffer | undefined;
      const checksum = message[`${field}Crc32c`] as { readonly value: unknown } | null | undefined;
      if (checksum != null && Number(checksum.value) !== crc32c(bytes as Buffer)) throw refuse(3, "checksum");
    }
  }

  const pair = { cert_chain: Buffer.from(options.tls.cert), private_key: Buffer.from(options.tls.key) };
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createSsl(null, [pair]), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return { url: `https://localhost:${port}`, close: () => server.forceShutdown() };
}
