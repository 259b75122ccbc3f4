import { createSecretKey } from "node:crypto";
import type { KeyType } from "../key-type.ts";
import { randomBytes } from "../random.ts";
import { invalidMaterial, misfit } from "./key-pair.ts";

type SecretMethods = Pick<KeyType, "generate" | "accept" | "load">;

/**
 * What is the same for all types whose key is random bytes.
 * @param length In bytes.
 * @param most The longest key that can be imported, where lengths vary (HMAC); `length` is then the shortest.
 */
export function secretKeyOf(name: string, length: number, most = length): SecretMethods {
  const fits = (material: Uint8Array) => material.length >= length && material.length <= most;
  return {
    generate: async () => ({ material: randomBytes(length), publicKey: Buffer.alloc(0) }),
    accept(format, material) {
      if (format !== "raw") {
        throw invalidMaterial(`a key of type ${name} is imported as raw bytes`);
      }
      if (!fits(material)) {
        const lengths = most === length ? `${length}` : `${length} to ${most}`;
        throw invalidMaterial(`a key of type ${name} has ${lengths} bytes`);
      }
      const own = Buffer.allocUnsafeSlow(material.length);
      own.set(material);
      return { material: own, publicKey: Buffer.alloc(0) };
    },
    load(material) {
      if (!fits(material)) throw misfit(name);
      return createSecretKey(material);
    },
  };
}
