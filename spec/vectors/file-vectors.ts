import { createDecipheriv, createHash, createSecretKey } from "node:crypto";
import { collide } from "../../test/vectors/gcm-collision.ts";
import {
  type Additional,
  concat,
  DATA_KEY,
  FULL,
  flipped,
  type Header,
  headerBytes,
  join,
  KEY,
  LAST,
  marked,
  nonce,
  OTHER_DATA_KEY,
  parts,
  payloadKey,
  plaintexts,
  type Segment,
  sealed,
  segments,
  standard,
  withoutByte,
  wrapped,
} from "./file-writing.ts";
import { bigEndian } from "./sealing.ts";

/** A vector of spec/file.md. */
export interface FileVector {
  readonly name: string;
  readonly additional_data: Additional;
  readonly data_key: string;
  /** Parts to join: hexadecimal, or a number of zero bytes. */
  readonly file: readonly (string | number)[];
  readonly outcome: "opens" | "not_an_encrypted_file" | "unsupported_version" | "truncated" | "changed" | "wrong_key";
  readonly released: number;
  readonly sha256: string;
  readonly key_name?: string;
  readonly wrapped_data_key?: string;
}

/** The content of spec/vectors/file.json. */
export interface FileVectors {
  readonly key: string;
  readonly vectors: readonly FileVector[];
}

/**
 * The vectors of spec/file.md, always the same. They are made here by the letter of that document and not by the client's
 * code, so that they can find it wrong.
 */
export function fileVectors(): FileVectors {
  const vectors = [
    ...opening(),
    ...otherBeginnings(),
    ...otherHeaders(),
    ...cut(),
    ...changedSegments(),
    ...otherKeys(),
  ];
  return { key: KEY.toString("hex"), vectors };
}

function opening(): FileVector[] {
  const raw = { raw: "00ff01" };
  const context = { context: { tenant: "acme", month: "01" } };
  return [
    opens("an empty file", standard(), [0]),
    opens("one byte", standard(), [1]),
    opens("a hundred bytes", standard(), [100]),
    opens("one byte less than a segment", standard(), [FULL - 1]),
    opens("exactly one segment", standard(), [FULL]),
    opens("one byte more than a segment", standard(), [FULL, 1]),
    opens("exactly two segments", standard(), [FULL, FULL]),
    opens("three segments and a part", standard(), [FULL, FULL, FULL, 1000]),
    opens("a key name of one character", { ...standard(), name: Buffer.from("k") }, [10]),
    opens("a key name of 256 characters", { ...standard(), name: Buffer.alloc(256, "n") }, [10]),
    opens("bound to bytes", { ...standard(), binding: 1, wrapped: wrapped(raw) }, [10], raw),
    opens("bound to a context", { ...standard(), binding: 2, wrapped: wrapped(context) }, [10], context),
  ];
}

function otherBeginnings(): FileVector[] {
  const file = join(standard(), [10]);
  return [
    refused("no byte", "not_an_encrypted_file", Buffer.alloc(0)),
    refused("seven bytes of the magic", "not_an_encrypted_file", file.subarray(0, 7)),
    refused("the text of a ciphertext", "not_an_encrypted_file", wrapped(null)),
    refused("a bit of the magic is changed", "not_an_encrypted_file", flipped(file, 2)),
    refused("the magic with its line end converted", "not_an_encrypted_file", withoutByte(file, 6)),
    refused("version 0", "unsupported_version", join({ ...standard(), version: 0 }, [10])),
    refused("version 2", "unsupported_version", join({ ...standard(), version: 2 }, [10])),
  ];
}

function otherHeaders(): FileVector[] {
  const file = join(standard(), [10]);
  const { name, wrapped: text } = standard();
  const at = { binding: 9, "name's length": 11, name: 12, "wrapped data key's length": 13 + name.length };
  const end = headerBytes(standard()).length;
  const later = { "wrapped data key": 14 + name.length, salt: end - 96, commitment: end - 64, digest: end - 32 };
  const changes = { ...standard(), name: Buffer.from("another") };
  return [
    ...Object.entries({ ...at, ...later }).map(([field, index]) =>
      refused(`a bit of the ${field} is changed`, "changed", flipped(file, index)),
    ),
    // By writers who make the digest fit.
    refused("binding 3", "changed", join({ ...standard(), binding: 3 }, [10])),
    refused("no key name", "changed", join({ ...standard(), name: Buffer.alloc(0) }, [10])),
    refused("a key name of 257 characters", "changed", join({ ...standard(), name: Buffer.alloc(257, "n") }, [10])),
    refused("a key name with a blank", "changed", join({ ...standard(), name: Buffer.from("a b") }, [10])),
    refused("a key name with a control character", "changed", join({ ...standard(), name: Buffer.of(0x1b) }, [10])),
    refused("a key name that is not ASCII", "changed", join({ ...standard(), name: Buffer.from("é") }, [10])),
    refused("no wrapped data key", "changed", join({ ...standard(), wrapped: Buffer.alloc(0) }, [10])),
    refused("a wrapped data key of 8,193", "changed", join({ ...standard(), wrapped: Buffer.alloc(8193, "w") }, [10])),
    refused(
      "a line feed after the wrapped data key",
      "changed",
      join({ ...standard(), wrapped: concat(text, "\n") }, [10]),
    ),
    refused(
      "another key name, digest made to fit, segments kept",
      "changed",
      concat(headerBytes(changes), segments([10])),
    ),
    refused(
      "another salt, digest made to fit",
      "wrong_key",
      concat(headerBytes({ ...standard(), salt: KEY }), segments([10])),
    ),
    refused(
      "another commitment, digest made to fit",
      "wrong_key",
      concat(headerBytes({ ...standard(), commitment: KEY }), segments([10])),
    ),
  ];
}

function cut(): FileVector[] {
  const file = join(standard(), [FULL, FULL, 100]);
  const header = headerBytes(standard()).length;
  const segment = 4 + FULL + 16;
  const places: readonly (readonly [place: string, length: number, released: number])[] = [
    ["after the magic", 8, 0],
    ["after the version", 9, 0],
    ["in the key name", 14, 0],
    ["in the wrapped data key", 100, 0],
    ["in the salt", header - 65, 0],
    ["before the last byte of the header", header - 1, 0],
    ["after the header", header, 0],
    ["in the first mark", header + 3, 0],
    ["after the first mark", header + 4, 0],
    ["in the data of the first segment", header + 1000, 0],
    ["in the tag of the first segment", header + segment - 1, 0],
    ["after the first segment", header + segment, 1],
    ["in the data of the second segment", header + segment + 1000, 1],
    ["after the second segment", header + 2 * segment, 2],
    ["in the last mark", header + 2 * segment + 1, 2],
    ["in the data of the last segment", header + 2 * segment + 50, 2],
    ["before the last byte", file.length - 1, 2],
  ];
  return places.map(([place, length, count]) =>
    refused(`cut ${place}`, "truncated", file.subarray(0, length), plaintexts([FULL, FULL, 100]).slice(0, count)),
  );
}

function changedSegments(): FileVector[] {
  const header = headerBytes(standard());
  const [first, second, third] = parts([FULL, FULL, 100]) as [Segment, Segment, Segment];
  const other = parts([FULL, FULL, 100], payloadKey({ ...standard(), salt: KEY }))[1] as Segment;
  const changed = (name: string, order: readonly (Segment | Buffer)[], released: readonly Segment[]): FileVector =>
    refused(
      name,
      "changed",
      concat(header, ...order.map((one) => (Buffer.isBuffer(one) ? one : one.bytes))),
      released.map(({ plaintext }) => plaintext),
    );
  const tagAt = 4 + FULL + 15;
  return [
    changed("a bit of the first data is changed", [flipped(first.bytes, 4), second, third], []),
    changed("a bit of the last data is changed", [first, second, flipped(third.bytes, 4)], [first, second]),
    changed("a bit of the second tag is changed", [first, flipped(second.bytes, tagAt), third], [first]),
    changed("a mark's length is one more", [flipped(first.bytes, 3), second, third], []),
    changed("the last mark's length is one less", [first, second, marked(third, 99 + LAST)], [first, second]),
    changed("the last mark lacks its bit", [first, second, marked(third, 100)], [first, second]),
    changed("the first segment is marked as last", [marked(first, FULL + LAST), second, third], []),
    changed("the last full segment is marked as last, the rest dropped", [first, marked(second, FULL + LAST)], [first]),
    changed("two segments are swapped", [second, first, third], []),
    changed("a segment is repeated", [first, first, second, third], [first]),
    changed("a segment is dropped", [first, third], [first]),
    changed("the first segment is dropped", [second, third], []),
    changed("only the last segment is left", [third], []),
    changed("a segment of another file with the same data key", [first, other, third], [first]),
    changed("a byte after the last segment", [first, second, third, Buffer.alloc(1)], [first, second, third]),
    changed("the last segment is repeated", [first, second, third, third], [first, second, third]),
    changed("a file after the file", [first, second, third, header, first, second, third], [first, second, third]),
    // By writers who know the key but not the format.
    changed("an empty last segment after a full one", [first, sealed(1, 0, true)], [first]),
    changed("an empty segment that is not the last", [sealed(0, 0, false), sealed(1, 10, true)], []),
    changed("a short segment that is not the last", [sealed(0, 100, false), sealed(1, 10, true)], []),
    changed("a last segment of 65,537 bytes", [sealed(0, FULL + 1, true)], []),
    changed("a last segment sealed as if it were not", [marked(sealed(0, FULL, false), FULL + LAST)], []),
    changed("segments numbered from 1", [sealed(1, FULL, false), sealed(2, 10, true)], []),
  ];
}

function otherKeys(): FileVector[] {
  const file = join(standard(), [10]);
  const header = headerBytes(standard());
  const keys = [payloadKey(standard()), payloadKey(standard(), OTHER_DATA_KEY)] as const;
  const crafted = collide([createSecretKey(keys[0]), createSecretKey(keys[1])], nonce(0, true), Buffer.alloc(0));
  const both = concat(header, bigEndian(crafted.length - 16 + LAST, 4), crafted);
  const decipher = createDecipheriv("aes-256-gcm", keys[0], nonce(0, true));
  const plaintext = decipher.update(crafted.subarray(0, -16));
  return [
    { ...refused("another data key", "wrong_key", file), data_key: OTHER_DATA_KEY.toString("hex") },
    { ...refused("a data key of 31 bytes", "wrong_key", file), data_key: DATA_KEY.subarray(1).toString("hex") },
    {
      ...refused("authentic under two data keys: the one that it commits to", "opens", both, [plaintext]),
      ...said(standard()),
    },
    {
      ...refused("authentic under two data keys: the other", "wrong_key", both),
      data_key: OTHER_DATA_KEY.toString("hex"),
    },
  ];
}

function opens(name: string, header: Header, lengths: readonly number[], additional: Additional = null): FileVector {
  const released = plaintexts(lengths, payloadKey(header));
  return { ...refused(name, "opens", join(header, lengths), released), additional_data: additional, ...said(header) };
}

function said({ name, wrapped: text }: Header): Pick<FileVector, "key_name" | "wrapped_data_key"> {
  return { key_name: name.toString("latin1"), wrapped_data_key: text.toString("latin1") };
}

function refused(
  name: string,
  outcome: FileVector["outcome"],
  file: Buffer,
  released: readonly Buffer[] = [],
): FileVector {
  const plaintext = Buffer.concat(released);
  return {
    name,
    additional_data: null,
    data_key: DATA_KEY.toString("hex"),
    file: inParts(file),
    outcome,
    released: plaintext.length,
    sha256: createHash("sha256").update(plaintext).digest("hex"),
  };
}

/** Hexadecimal, and the number of zero bytes where there are many. */
function inParts(bytes: Buffer): (string | number)[] {
  const found: (string | number)[] = [];
  const text = bytes.toString("latin1");
  for (const [run] of text.matchAll(/\0{64,}|(?:(?!\0{64})[\s\S])+/g)) {
    found.push(/^\0{64}/.test(run) ? run.length : Buffer.from(run, "latin1").toString("hex"));
  }
  return found;
}
