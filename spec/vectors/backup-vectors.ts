import { createHash } from "node:crypto";
import { type HpkeRecipient, hpkeSeal, recipientOf } from "../../packages/server/src/crypto/hpke.ts";
import { secretKey } from "../../packages/server/src/crypto/keys.ts";
import { lengthDelimited, pseudorandom, varintField } from "./sealing.ts";

/** A backup of spec/backup.md and the cluster that is to open it; bytes in hexadecimal. */
export interface BackupVector {
  readonly name: string;
  /** The cluster's seed, 32 bytes. */
  readonly seed: string;
  /** The text form. */
  readonly backup: string;
  readonly outcome: "opens" | "decryption_failed";
  /** Of one that opens. */
  readonly content: string;
}

/** The file spec/vectors/backup.json; backup-go.json has the same. */
export interface BackupFile {
  readonly vectors: readonly BackupVector[];
}

const SEED = pseudorandom("backup seed", 32);
const OTHER = pseudorandom("another backup seed", 32);
const INFO = "bunkms key backup v1";

/** Vectors of spec/backup.md, made from that document. HPKE draws anew each time; all else stays. */
export function backupFile(): BackupFile {
  const content = keyBackup();
  const own = recipientOf(secretKey(SEED));
  const good = sealed({});
  const flipped = (at: number): Buffer => {
    const changed = Buffer.from(good);
    changed.writeUInt8((changed[at < 0 ? changed.length + at : at] ?? 0) ^ 1, at < 0 ? changed.length + at : at);
    return changed;
  };
  const places = {
    magic: 0,
    format: 3,
    fingerprint: 4,
    "ML-KEM ciphertext": 37,
    "X25519 key": 1125,
    data: 1157,
    tag: -1,
  };
  return {
    vectors: [
      opens("a key with two versions", good, content),
      opens("empty content, which is no key", sealed({ content: Buffer.alloc(0) }), Buffer.alloc(0)),
      { ...refused("opened by another cluster", good), seed: OTHER.toString("hex") },
      refused("for another cluster", sealed({ recipient: recipientOf(secretKey(OTHER)) })),
      refused(
        "for another cluster, under this one's fingerprint",
        sealed({ recipient: recipientOf(secretKey(OTHER)), named: own }),
      ),
      ...Object.entries(places).map(([place, at]) => refused(`a bit of the ${place} is changed`, flipped(at))),
      refused("format 2", sealed({ format: 2 })),
      refused("sealed for another use", sealed({ info: "bunkms key backup v2" })),
      refused("the header is not authenticated", sealed({ aad: Buffer.alloc(0) })),
      refused("cut by a byte", good.subarray(0, -1)),
      refused("a byte too many", Buffer.concat([good, Buffer.alloc(1)])),
      ...[3, 36, 37, 1157, 1172].map((length) => refused(`cut after ${length} bytes`, good.subarray(0, length))),
      { ...refused("in the URL's alphabet", good), backup: urlAlphabet(good) },
      { ...refused("with a line end", good), backup: `${good.toString("base64")}\n` },
    ],
  };
}

interface Parts {
  readonly recipient?: HpkeRecipient;
  /** Whose fingerprint the header has; the recipient's if left out. */
  readonly named?: HpkeRecipient;
  readonly format?: number;
  readonly info?: string;
  readonly aad?: Buffer;
  readonly content?: Buffer;
}

function sealed({ recipient = recipientOf(secretKey(SEED)), named = recipient, ...parts }: Parts): Buffer {
  const fingerprint = createHash("sha256").update(named.spki).digest();
  const header = Buffer.concat([Buffer.from("6e499b", "hex"), Buffer.of(parts.format ?? 1), fingerprint]);
  const info = Buffer.from(parts.info ?? INFO);
  return Buffer.concat([header, hpkeSeal(recipient, info, parts.aad ?? header, parts.content ?? keyBackup())]);
}

/** A `KeyBackup`, field by field. */
function keyBackup(): Buffer {
  const time = 1_795_564_800_000;
  const key = Buffer.concat([
    lengthDelimited(1, Buffer.from("invoices")),
    lengthDelimited(2, pseudorandom("backup key id", 16)),
    lengthDelimited(3, Buffer.from("aes-256")),
    varintField(4, time),
    varintField(5, 2),
    lengthDelimited(6, Buffer.from("encrypt")),
    lengthDelimited(7, Buffer.from("enabled")),
    varintField(15, time + 1000),
  ]);
  const versions = ["enabled", "disabled"].map((state, i) =>
    Buffer.concat([
      lengthDelimited(1, Buffer.concat([varintField(1, time + 1000 * i), lengthDelimited(2, Buffer.from(state))])),
      lengthDelimited(2, pseudorandom(`backup material ${i}`, 32)),
    ]),
  );
  const usage = lengthDelimited(1, Buffer.concat([varintField(1, 1), varintField(2, time), varintField(3, 5)]));
  return Buffer.concat([
    lengthDelimited(1, key),
    ...versions.map((version) => lengthDelimited(2, version)),
    lengthDelimited(3, usage),
  ]);
}

function opens(name: string, backup: Buffer, content: Buffer): BackupVector {
  return { ...refused(name, backup), outcome: "opens", content: content.toString("hex") };
}

function refused(name: string, backup: Buffer): BackupVector {
  return {
    name,
    seed: SEED.toString("hex"),
    backup: backup.toString("base64"),
    outcome: "decryption_failed",
    content: "",
  };
}

/** Without padding, and so another text whatever the bytes are. */
function urlAlphabet(backup: Buffer): string {
  return `${backup.toString("base64url")}-`;
}
