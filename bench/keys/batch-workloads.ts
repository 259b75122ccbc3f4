import { create, toBinary } from "@bufbuild/protobuf";
import { EncryptBatchResponseSchema, KeyBatchService, KeyService, KeyStreamService } from "@bunkms/contract";
import type { BunkmsWorkloads } from "../targets/bunkms-workloads.ts";
import type { Workload } from "../targets/target.ts";

/** Calls of so many items. */
export interface BatchWorkload extends Workload {
  readonly items: number;
}

/** Single encrypts over a transport, and the batches over it that are compared with them. */
export interface BatchGroup {
  readonly single: Workload;
  readonly batches: readonly BatchWorkload[];
}

/** What is encrypted: 64 bytes. */
const ITEM = "x".repeat(64);
/** The length of the digest, SHA-256 in hexadecimal. */
const DIGEST_LENGTH = 64;
/** What REST says of a batch in which all went well. */
const NONE_FAILED = '"failed":0,';

/** Makes the keys and ciphertexts of the batches. */
export async function batchWorkloads({ call, rest, grpc }: BunkmsWorkloads): Promise<readonly BatchGroup[]> {
  const keyName = "batch";
  const rewrapped = "rewrapped";
  await call("/v1/keys", { name: keyName });
  await call("/v1/keys", { name: rewrapped });
  const ciphertexts = await encrypted(call, keyName, 100);
  const older = await encrypted(call, rewrapped, 100);
  // Now they are of a version that is not the latest, so that there is something to do.
  await call(`/v1/keys/${rewrapped}/rotate`, {});

  const restItems = (count: number) => ({ items: Array.from({ length: count }, () => ({ plaintext: ITEM })) });
  const grpcItems = (count: number) => ({
    keyName,
    items: Array.from({ length: count }, () => ({ data: { case: "plaintext", value: ITEM } as const })),
  });
  const of = (items: number, workload: Workload): BatchWorkload => ({ ...workload, items });
  const restEncrypt = (count: number) =>
    of(count, rest("encrypt batch", `/v1/encrypt/${keyName}/batch`, restItems(count), NONE_FAILED));
  const grpcEncrypt = (count: number) =>
    of(count, grpc("encrypt batch", KeyBatchService.method.encryptBatch, grpcItems(count), noneFailed(count)));
  const { decryptBatch, rewrapBatch } = KeyBatchService.method;
  return [
    {
      single: rest("encrypt", `/v1/encrypt/${keyName}`, { plaintext: ITEM }, '"ciphertext":"bkms'),
      batches: [
        restEncrypt(100),
        restEncrypt(1000),
        of(100, rest("decrypt batch", `/v1/decrypt/${keyName}/batch`, { items: ciphertexts }, NONE_FAILED)),
        of(100, rest("rewrap batch", `/v1/keys/${rewrapped}/rewrap/batch`, { items: older }, NONE_FAILED)),
      ],
    },
    {
      single: grpc("encrypt", KeyService.method.encrypt, { keyName, data: { case: "plaintext", value: ITEM } }, "bkms"),
      batches: [
        grpcEncrypt(100),
        grpcEncrypt(1000),
        of(100, grpc("decrypt batch", decryptBatch, { keyName, items: ciphertexts }, noneFailed(100))),
        of(100, grpc("rewrap batch", rewrapBatch, { name: rewrapped, items: older }, noneFailed(100))),
        of(1000, grpc("encrypt stream", KeyStreamService.method.encryptStream, grpcItems(1000), noneFailed(1000))),
      ],
    },
  ];
}

async function encrypted(
  call: BunkmsWorkloads["call"],
  key: string,
  count: number,
): Promise<{ readonly ciphertext: string }[]> {
  const items = Array.from({ length: count }, () => ({ plaintext: ITEM }));
  const { results } = await call(`/v1/encrypt/${key}/batch`, { items });
  return (results as { readonly ciphertext: string }[]).map(({ ciphertext }) => ({ ciphertext }));
}

/**
 * What Protobuf says of a batch in which all went well: after the count comes the digest. The number of failures would be
 * between them if it were not 0. All batches' answers have these fields under the same numbers.
 */
function noneFailed(count: number): Uint8Array {
  const answer = create(EncryptBatchResponseSchema, { count, digest: "0".repeat(DIGEST_LENGTH) });
  return toBinary(EncryptBatchResponseSchema, answer).subarray(0, -DIGEST_LENGTH);
}
