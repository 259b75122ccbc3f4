import { createPublicKey, diffieHellman, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { BunkmsError } from "@bunkms/contract";
import type { KeyAgreement, KeyType } from "../key-type.ts";
import { checkedEcKey } from "./ec-import.ts";
import { keyPair, rawPrivateKey } from "./key-pair.ts";

/** What tells one curve from another. */
interface Curve {
  /** Of the key type and of its agreement. */
  readonly name: string;
  readonly standard: string;
  /** As `KeyObject.asymmetricKeyType`. */
  readonly family: "ec" | "x25519" | "x448";
  /** OpenSSL's name of a NIST curve. */
  readonly namedCurve?: string;
  /** What stands before the point in a SubjectPublicKeyInfo, hexadecimal (RFC 5480 section 2, RFC 8410 section 4). */
  readonly prefix: string;
  /** Bytes of a point as it stands there: 04 ‖ x ‖ y on a NIST curve, u on the others. */
  readonly pointLength: number;
  /** Whether one derivation takes so long (0.17 ms and more) that it goes to the thread pool. */
  readonly slow: boolean;
}

const diffieHellmanInPool = promisify(diffieHellman);

/** Key agreement on Montgomery curves (RFC 7748) and on the curves of NIST (SP 800-56A section 5.7.1.2). */
export const XDH_TYPES: readonly KeyType[] = [
  montgomery({
    name: "x25519",
    standard: "RFC 7748",
    family: "x25519",
    prefix: "302a300506032b656e032100",
    pointLength: 32,
    slow: false,
  }),
  montgomery({
    name: "x448",
    standard: "RFC 7748",
    family: "x448",
    prefix: "3042300506032b656f033900",
    pointLength: 56,
    slow: true,
  }),
  nist("p256", "prime256v1", "3059301306072a8648ce3d020106082a8648ce3d030107034200", 65, false),
  nist("p384", "secp384r1", "3076301006072a8648ce3d020106052b81040022036200", 97, true),
  nist("p521", "secp521r1", "30819b301006072a8648ce3d020106052b8104002303818600", 133, true),
];

function montgomery(curve: Curve): KeyType {
  const { name, standard, family, pointLength } = curve;
  return {
    name,
    standard,
    purposes: ["agree"],
    ...keyPair({
      name,
      generate: { type: family },
      fits: (key) => key.asymmetricKeyType === family,
      must: `must be on the curve ${name}`,
      fromRaw: rawPrivateKey(name, "raw-private", pointLength),
    }),
    agreement: agreementOn(curve),
  };
}

function nist(short: string, namedCurve: string, prefix: string, pointLength: number, slow: boolean): KeyType {
  const name = `ecdh-${short}`;
  const standard = "SP 800-56A, SP 800-186";
  const pair = keyPair({
    name,
    generate: { type: "ec", options: { namedCurve } },
    fits: (key) => key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === namedCurve,
    must: `must be on the curve ${namedCurve}`,
  });
  return {
    name,
    standard,
    purposes: ["agree"],
    ...pair,
    accept: (format, material) => checkedEcKey(namedCurve, pair.accept(format, material)),
    agreement: agreementOn({ name, standard, family: "ec", namedCurve, prefix, pointLength, slow }),
  };
}

function agreementOn(curve: Curve): KeyAgreement {
  const prefix = Buffer.from(curve.prefix, "hex");
  const fits = (key: KeyObject): boolean =>
    key.type === "private" &&
    key.asymmetricKeyType === curve.family &&
    key.asymmetricKeyDetails?.namedCurve === curve.namedCurve;
  return Object.freeze({
    name: curve.name,
    derive(privateKey: KeyObject, peer: Uint8Array): Buffer | Promise<Buffer> {
      if (!fits(privateKey)) throw new BunkmsError("wrong_key_usage");
      const publicKey = readPeer(peer, prefix, curve.pointLength);
      if (curve.slow) return diffieHellmanInPool({ privateKey, publicKey }).catch(refuse);
      try {
        return diffieHellman({ privateKey, publicKey });
      } catch {
        return refuse();
      }
    },
  });
}

/**
 * On a NIST curve each point has one byte form: neither compressed points, nor spelt-out curve parameters (which may differ
 * from the named curve's in a generator or cofactor), nor bytes after the key reach OpenSSL, which would take them.
 *
 * On the curves of RFC 7748 the length and what stands before the point are fixed, and no more: its section 5 has a reader
 * ignore the highest bit of X25519 and take coordinates that are not below the prime, so that a point can have several
 * forms. Who derives keys from a secret and must know by whose key, puts both public keys into the derivation.
 */
function readPeer(peer: Uint8Array, prefix: Buffer, pointLength: number): KeyObject {
  const bytes = Buffer.from(peer.buffer, peer.byteOffset, peer.byteLength);
  const isOfCurve = bytes.length === prefix.length + pointLength && bytes.subarray(0, prefix.length).equals(prefix);
  if (!isOfCurve) throw new BunkmsError("invalid_public_key");
  try {
    // Here OpenSSL checks that a point is on its NIST curve. The curves of RFC 7748 are safe against those that are not.
    return createPublicKey({ key: bytes, format: "der", type: "spki" });
  } catch {
    return refuse();
  }
}

/** Between keys of one curve OpenSSL fails only when the secret is all zero: the point is of small order (RFC 7748 section 6). */
function refuse(): never {
  throw new BunkmsError("invalid_public_key");
}
