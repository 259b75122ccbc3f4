import type { Seeded } from "../vectors/seeded.ts";

/** One change that makes another spelling of a path, in the hope that somebody takes it for the same. */
type Change = (path: string, random: Seeded) => string;

const percent = (byte: number, upper = true): string => {
  const hex = byte.toString(16).padStart(2, "0");
  return `%${upper ? hex.toUpperCase() : hex}`;
};

/** Replaces one random character. */
function atRandom(path: string, random: Seeded, replace: (character: string) => string): string {
  const at = random.below(path.length);
  return path.slice(0, at) + replace(path.charAt(at)) + path.slice(at + 1);
}

const insert =
  (...pieces: readonly string[]): Change =>
  (path, random) => {
    const at = random.below(path.length + 1);
    return path.slice(0, at) + (pieces[random.below(pieces.length)] as string) + path.slice(at);
  };

const CHANGES: readonly Change[] = [
  // Once and twice percent-encoded, in either case of the digits.
  (path, random) => atRandom(path, random, (c) => percent(c.charCodeAt(0) & 0xff)),
  (path, random) => atRandom(path, random, (c) => percent(c.charCodeAt(0) & 0xff, false)),
  (path, random) => atRandom(path, random, (c) => percent(c.charCodeAt(0) & 0xff).replace("%", "%25")),
  (path) => [...path].map((c) => percent(c.charCodeAt(0) & 0xff)).join(""),
  (path) => path.replaceAll("/", "%2F"),
  (path) => path.replaceAll("/", "%252f"),
  (path) => path.replaceAll("/", "\\"),
  // Case.
  (path, random) => atRandom(path, random, (c) => (c === c.toUpperCase() ? c.toLowerCase() : c.toUpperCase())),
  (path) => path.toUpperCase(),
  // Dots, slashes, and what cuts a text short.
  insert("/", "//", "./", "/./", "../", "/../", "x/../", "/x/../", "%2e/", "%2e%2e/", "..;/", "..%2f", "..\\", "%5c"),
  (path) => `${path}/`,
  (path) => `/${path}`,
  (path) => `${path}%2F`,
  (path) => `${path}%20`,
  (path) => `${path};a=b`,
  (path) => `${path}.json`,
  (path) => `${path}%00`,
  (path) => `${path}%00.txt`,
  // What stands before an alias, and what looks like it: U+FE6B and U+FF20.
  insert("@", "%40", "%2540", "%EF%B9%AB", "%EF%BC%A0"),
  insert("%00", "%0a", "%0d%0a", "%09", "%20", "%", "%2", "%zz", "%u002f", "+"),
  // Overlong UTF-8, surrogates, and Unicode that looks or folds alike.
  (path) => path.replaceAll("/", "%C0%AF"),
  (path) => path.replaceAll("/", "%E0%80%AF"),
  (path) => path.replaceAll(".", "%C0%AE"),
  insert("%C1%9C", "%ED%A0%80", "%EF%BB%BF", "%E2%80%8B", "%C2%AD", "%CC%81", "%EF%BC%8F", "%E2%88%95", "%FF"),
  (path, random) =>
    // Full width: U+FF01 to U+FF5E are ASCII's 0x21 to 0x7e under NFKC.
    atRandom(path, random, (c) => encodeURIComponent(String.fromCodePoint(c.charCodeAt(0) - 0x21 + 0xff01))),
  (path) => path.replace(/k/i, "%E2%84%AA"),
  (path) => path.replace(/s/, "%C5%BF"),
];

/** Another spelling of a path: one to three changes at random places. */
export function aliasOf(path: string, random: Seeded): string {
  let alias = path;
  for (let changes = 1 + random.below(3); changes > 0 && alias.length > 0; changes--) {
    alias = (CHANGES[random.below(CHANGES.length)] as Change)(alias, random);
  }
  return alias;
}

/**
 * What a path means, by the plain reading: segments as they are between slashes, each percent-decoded once as UTF-8.
 * Undefined when it means nothing. Written without the decoder that the server uses.
 */
export function plainReading(path: string): string | undefined {
  const segments = path.split("/").map(decodeSegment);
  return segments.includes(undefined) || segments.includes("") ? undefined : segments.join("/");
}

function decodeSegment(segment: string): string | undefined {
  const bytes: number[] = [];
  for (let i = 0; i < segment.length; i++) {
    if (segment[i] !== "%") {
      bytes.push(segment.charCodeAt(i));
    } else if (/^[0-9a-f]{2}$/i.test(segment.slice(i + 1, i + 3))) {
      bytes.push(Number.parseInt(segment.slice(i + 1, i + 3), 16));
      i += 2;
    } else {
      return undefined;
    }
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
  } catch {
    return undefined;
  }
}
