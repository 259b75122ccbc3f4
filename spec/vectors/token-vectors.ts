import { crc32 } from "node:zlib";
import { hmac, pseudorandom } from "./sealing.ts";

/** A token of spec/token.md. */
export interface TokenVector {
  readonly name: string;
  readonly token: string;
  readonly outcome: "well_formed" | "malformed";
  /** Of a well-formed one: the key that it is looked up with, hexadecimal, and its record's path in the table `token`. */
  readonly token_key?: string;
  readonly path?: string;
}

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** The vectors of spec/token.md, always the same, made from that document and not by the server's code. */
export function tokenVectors(): readonly TokenVector[] {
  const good = token("s", "random");
  const [body, sum] = [good.slice(0, -6), good.slice(-6)];
  const replaced = (at: number): string => good.slice(0, at) + (good[at] === "A" ? "B" : "A") + good.slice(at + 1);
  return [
    wellFormed("a root token", token("r", "random")),
    wellFormed("a service token", good),
    wellFormed(
      "a checksum that begins with zeros",
      token("s", "checksum", (text) => text.startsWith("00")),
    ),
    malformed("nothing", ""),
    malformed("another character in the random part", replaced(20)),
    malformed("another character in the checksum", replaced(40)),
    malformed("a wrong checksum of another type", `${body.replace("_s_", "_r_")}${sum}`),
    malformed("a type that there is not", withChecksum(body.replace("_s_", "_x_"))),
    malformed("another prefix", withChecksum(body.replace("bkms_", "bkmt_"))),
    malformed("capitals in the prefix", withChecksum(body.replace("bkms_", "BKMS_"))),
    malformed("29 random characters", withChecksum(body.slice(0, -1))),
    malformed("31 random characters", withChecksum(`${body}A`)),
    malformed("a character that is not base62", withChecksum(`${body.slice(0, -1)}-`)),
    malformed("a line feed at the end", `${good}\n`),
    malformed("a space before", ` ${good}`),
    malformed("the checksum in reverse", body + [...sum].reverse().join("")),
  ];
}

/** A token of characters that follow from the label; of several, the first whose checksum is as wanted. */
function token(kind: "r" | "s", label: string, wanted: (checksum: string) => boolean = () => true): string {
  for (let i = 0; ; i++) {
    const characters = [...pseudorandom(`${label} ${i}`, 30)].map((byte) => ALPHABET.charAt(byte % 62));
    const whole = withChecksum(`bkms_${kind}_${characters.join("")}`);
    if (wanted(whole.slice(-6))) {
      return whole;
    }
  }
}

function withChecksum(body: string): string {
  let digits = "";
  for (let rest = crc32(Buffer.from(body, "latin1")); digits.length < 6; rest = Math.floor(rest / 62)) {
    digits = ALPHABET.charAt(rest % 62) + digits;
  }
  return body + digits;
}

function wellFormed(name: string, text: string): TokenVector {
  const key = pseudorandom("token key", 32);
  return {
    name,
    token: text,
    outcome: "well_formed",
    token_key: key.toString("hex"),
    path: hmac(key, text).toString("hex"),
  };
}

function malformed(name: string, text: string): TokenVector {
  return { name, token: text, outcome: "malformed" };
}
