import { createHash, hkdfSync } from "node:crypto";
import { type HpkePsk, hpkeSeal, recipientOf } from "../../packages/server/src/crypto/hpke.ts";
import { secretKey } from "../../packages/server/src/crypto/keys.ts";
import { pseudorandom } from "./sealing.ts";
import { bech32mText, binaryForm, grouped, polynomialAt, shareFields } from "./share-forms.ts";

/** Why a share is refused; `spec/share.md` says when. */
type Reason =
  | "malformed"
  | "checksum"
  | "version"
  | "foreign_cluster"
  | "unknown_set"
  | "index"
  | "not_of_set"
  | "repeated";

/** A text, and what a reader makes of it. */
export interface ShareVector {
  readonly name: string;
  readonly text: string;
  readonly outcome: "reads" | Reason;
  /** Of one that reads. */
  readonly cluster?: string;
  readonly set?: string;
  readonly number?: number;
  readonly threshold?: number;
  readonly value?: string;
}

/** A text, and what a collector makes of it after those before it. */
export interface OfferVector {
  readonly name: string;
  readonly text: string;
  readonly outcome: "counts" | "opens" | Reason;
}

/** A set of shares, its slot, and offers. */
export interface ShareSetVector {
  readonly name: string;
  readonly cluster: string;
  readonly parameters: string;
  readonly shares: readonly string[];
  readonly seed: string;
  readonly psk: string;
  readonly context: string;
  readonly wrapped: string;
  readonly root_key: string;
  /** Wrappings that do not open. */
  readonly forged: readonly { readonly name: string; readonly wrapped: string }[];
  readonly offers: readonly OfferVector[];
}

/** The file spec/vectors/share.json. */
export interface ShareFile {
  readonly shares: readonly ShareVector[];
  readonly sets: readonly ShareSetVector[];
}

const CLUSTER = pseudorandom("share cluster", 16);
const OTHER_CLUSTER = pseudorandom("another share cluster", 16);
const SET = pseudorandom("share set", 4);
const ONE = { cluster: CLUSTER, set: SET, number: 2, threshold: 3, value: pseudorandom("share value", 32) };
/** bech32 without the m (BIP 173). */
const BECH32 = 1;

/** The vectors of spec/share.md. HPKE draws each `wrapped` anew each time; all else stays. */
export function shareFile(): ShareFile {
  return { shares: shareVectors(), sets: [setVector(5, 3), setVector(2, 2), setVector(1, 1), setVector(255, 4)] };
}

function shareVectors(): readonly ShareVector[] {
  const fields = shareFields(ONE);
  const bare = bech32mText("bkms", fields);
  const groups = bare.match(/.{5}/g) ?? [];
  const binary = binaryForm(fields);
  const hex = binary.toString("hex");
  const base64 = binary.toString("base64");
  const swapped = [...bare].findIndex((sign, at) => at > 5 && sign !== bare[at + 1]);
  return [
    reads("the text form", grouped(bare)),
    reads("without groups", bare),
    reads("in capitals", grouped(bare).toUpperCase()),
    reads("blanks and line ends", groups.join(" \r\n")),
    reads("dashes", groups.join("\u2013")),
    reads("hex", hex),
    reads("hex in capitals with a line end", `${hex.toUpperCase()}\n`),
    reads("base64", base64),
    refused("nothing", "", "malformed"),
    refused("one character changed", changed(bare, 40), "checksum"),
    refused("four characters changed", [10, 11, 50, 79].reduce(changed, bare), "checksum"),
    refused(
      "two neighbours exchanged",
      bare.slice(0, swapped) + bare[swapped + 1] + bare[swapped] + bare.slice(swapped + 2),
      "checksum",
    ),
    refused("a character outside the alphabet", `${bare.slice(0, 40)}b${bare.slice(41)}`, "malformed"),
    refused("cut by a character", bare.slice(0, -1), "malformed"),
    refused("a character too many", `${bare}q`, "malformed"),
    refused("small letters and capitals", bare.slice(0, 40) + bare.slice(40).toUpperCase(), "malformed"),
    refused("bech32 without the m", bech32mText("bkms", fields, 0, BECH32), "checksum"),
    refused("another human-readable part", bech32mText("bkmt", fields), "malformed"),
    refused("a last bit that is not zero", bech32mText("bkms", fields, 1), "malformed"),
    refused("version 2", bech32mText("bkms", shareFields({ ...ONE, version: 2 })), "version"),
    refused("version 2 in hex", binaryForm(shareFields({ ...ONE, version: 2 })).toString("hex"), "version"),
    refused("number 0", bech32mText("bkms", shareFields({ ...ONE, number: 0 })), "malformed"),
    refused("threshold 0", bech32mText("bkms", shareFields({ ...ONE, threshold: 0 })), "malformed"),
    refused("hex with a wrong checksum", hex.slice(0, -1) + (hex.endsWith("0") ? "1" : "0"), "checksum"),
    refused("hex cut by a byte", hex.slice(0, -2), "malformed"),
    refused("hex without its checksum", fields.toString("hex"), "malformed"),
    refused("base64 without padding", base64.slice(0, -1), "malformed"),
    refused("base64 whose last bits are not zero", `${base64.slice(0, -2)}${next(base64.at(-2))}=`, "malformed"),
  ];
}

function reads(name: string, text: string): ShareVector {
  const { cluster, set, number, threshold, value } = ONE;
  const fields = { cluster: cluster.toString("hex"), set: set.toString("hex"), number, threshold };
  return { name, text, outcome: "reads", ...fields, value: value.toString("hex") };
}

function refused(name: string, text: string, outcome: Reason): ShareVector {
  return { name, text, outcome };
}

/** Another character of the alphabet at a place. */
function changed(text: string, at: number): string {
  return text.slice(0, at) + (text[at] === "q" ? "p" : "q") + text.slice(at + 1);
}

function next(sign: string | undefined): string {
  return String.fromCharCode((sign ?? "A").charCodeAt(0) + 1);
}

function setVector(count: number, threshold: number): ShareSetVector {
  const name = `${threshold} of ${count}`;
  const set = pseudorandom(`set ${name}`, 4);
  const seed = pseudorandom(`seed ${name}`, 32);
  const coefficients = Array.from({ length: threshold - 1 }, (_, at) => pseudorandom(`coefficient ${name} ${at}`, 32));
  const share = (number: number) => ({
    cluster: CLUSTER,
    set,
    number,
    threshold,
    value: polynomialAt([seed, ...coefficients], number),
  });
  const all = Array.from({ length: count }, (_, at) => shareFields(share(at + 1)));
  const hashes = all.map((fields) => createHash("sha256").update(binaryForm(fields)).digest());
  const recipient = recipientOf(secretKey(seed));
  const parameters = Buffer.concat([Buffer.of(1), set, Buffer.of(count, threshold), ...hashes, recipient.spki]);
  const context = Buffer.concat([
    Buffer.from("bunkms seal slot v1"),
    CLUSTER,
    pseudorandom(`slot ${name}`, 16),
    Buffer.from("shamir"),
  ]);
  const rootKey = pseudorandom(`root key ${name}`, 32);
  const psk = Buffer.from(hkdfSync("sha256", seed, Buffer.alloc(0), "bunkms shamir psk v1", 32));
  const wrap = (shared?: HpkePsk) =>
    hpkeSeal(recipient, Buffer.from("bunkms shamir seal v1"), context, rootKey, shared).toString("hex");
  const texts = all.map((fields) => grouped(bech32mText("bkms", fields)));
  const wrong = (parts: Partial<ReturnType<typeof share>>) =>
    bech32mText("bkms", shareFields({ ...share(1), ...parts }));
  // From the last one down, so that not only small numbers are put together.
  const right = texts.toReversed().slice(0, threshold);
  const bad: readonly OfferVector[] = [
    { name: "mistyped", text: changed(texts[0] ?? "", 94), outcome: "checksum" },
    { name: "another cluster", text: wrong({ cluster: OTHER_CLUSTER }), outcome: "foreign_cluster" },
    { name: "another set", text: wrong({ set: SET }), outcome: "unknown_set" },
    ...(count < 255 ? [{ name: "number n + 1", text: wrong({ number: count + 1 }), outcome: "index" } as const] : []),
    { name: "another value", text: wrong({ value: ONE.value }), outcome: "not_of_set" },
    { name: "another threshold", text: wrong({ threshold: threshold + 1 }), outcome: "not_of_set" },
  ];
  const good = right.map((text, at): OfferVector => {
    return { name: `share ${count - at}`, text, outcome: at === threshold - 1 ? "opens" : "counts" };
  });
  const again = good.slice(0, -1).map(({ name: which, text }): OfferVector => {
    return { name: `${which} again`, text, outcome: "repeated" };
  });
  return {
    name,
    cluster: CLUSTER.toString("hex"),
    parameters: parameters.toString("hex"),
    shares: texts,
    seed: seed.toString("hex"),
    psk: psk.toString("hex"),
    context: context.toString("hex"),
    wrapped: wrap({ key: psk, id: set }),
    root_key: rootKey.toString("hex"),
    forged: [
      { name: "base mode", wrapped: wrap() },
      { name: "another pre-shared key", wrapped: wrap({ key: pseudorandom(`another psk ${name}`, 32), id: set }) },
      { name: "another set's id", wrapped: wrap({ key: psk, id: SET }) },
    ],
    offers: [...good.slice(0, -1), ...bad, ...again, ...good.slice(-1)],
  };
}
