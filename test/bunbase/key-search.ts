import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * Where a key lies below folders, in any form that it may have: as it is, in hexadecimal, or in base64 of both alphabets,
 * also within a longer text.
 * @returns The files' paths.
 */
export async function filesWith(key: Buffer, folders: readonly string[]): Promise<readonly string[]> {
  const forms = formsOf(key);
  const found: string[] = [];
  for (const folder of folders) {
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile() && holds(await readFile(path), forms)) {
        found.push(path);
      }
    }
  }
  return found;
}

/** Whether a text holds the key in any of these forms. */
export function textHolds(key: Buffer, text: string): boolean {
  return holds(Buffer.from(text), formsOf(key));
}

function holds(content: Buffer, forms: readonly Buffer[]): boolean {
  return forms.some((form) => content.includes(form));
}

function formsOf(key: Buffer): readonly Buffer[] {
  const hex = key.toString("hex");
  const texts = [hex, hex.toUpperCase()];
  for (const offset of [0, 1, 2]) {
    // What base64 makes of a key that begins within a group of three bytes, without the digits that others share.
    const padded = Buffer.concat([Buffer.alloc(offset), key]);
    const begin = Math.ceil((offset * 8) / 6);
    const end = Math.floor((padded.length * 8) / 6);
    for (const alphabet of ["base64", "base64url"] as const) {
      texts.push(padded.toString(alphabet).slice(begin, end));
    }
  }
  return [key, ...texts.map((text) => Buffer.from(text))];
}
