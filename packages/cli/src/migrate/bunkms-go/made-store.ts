// What the unit tests of this folder stand on: a store as the Go server writes it, made here.
import { randomBytes } from "node:crypto";
import { PAGE_LENGTH } from "./pages.ts";
import { sealValue } from "./sealed-value.ts";

export const MASTER_KEY = Buffer.from("0123456789abcdef0123456789abcdef");

/** An entry of a leaf. */
export type MadeEntry = readonly [key: string, value: Buffer];

/** Seals JSON as a value of the store. */
export function sealed(json: unknown, key: Buffer = MASTER_KEY): Buffer {
  return sealValue(key, randomBytes(12), Buffer.from(JSON.stringify(json)), new Uint8Array());
}

/** A leaf with these entries. */
export function leaf(...entries: readonly MadeEntry[]): Buffer {
  const page = Buffer.alloc(PAGE_LENGTH);
  let at = 30;
  for (const [key, value] of entries) {
    at = page.writeUInt16LE(key.length, at);
    at += page.write(key, at, "latin1");
    at = page.writeUInt16LE(value.length, at);
    at += value.copy(page, at);
  }
  page[0] = 3;
  page.writeUInt16LE(entries.length, 2);
  page.writeUInt16LE(at, 4);
  return page;
}

/** A whole file: the two pages that every one begins with, and these. */
export function file(...pages: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.alloc(2 * PAGE_LENGTH), ...pages]);
}

const TIME = "2024-03-05T06:07:08.123456789Z";

/** A key's JSON as Go writes it. */
export function keyJson(name: string, changes: Record<string, unknown> = {}): Record<string, unknown> {
  const version = { Version: 1, Material: Buffer.alloc(32, name).toString("base64"), CreatedAt: TIME };
  return { Name: name, Type: "aes-256", CreatedAt: TIME, Versions: [version], ...changes };
}

/** A secret's JSON as Go writes it. */
export function secretJson(name: string, value: string, time: string = TIME): Record<string, unknown> {
  const ciphertext = sealValue(MASTER_KEY, randomBytes(12), Buffer.from(value), new Uint8Array());
  return { Name: name, Ciphertext: ciphertext.toString("base64"), CreatedAt: time };
}

/** An entry of a key. */
export const keyEntry = (name: string, changes: Record<string, unknown> = {}): MadeEntry => [
  `kms:key:${name}`,
  sealed(keyJson(name, changes)),
];

/** An entry of a secret. */
export const secretEntry = (name: string, value: string, time?: string): MadeEntry => [
  `kms:secret:${name}`,
  sealed(secretJson(name, value, time)),
];
