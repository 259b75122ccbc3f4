import type { SinkEntry } from "./sink.ts";

/**
 * An entry with its index as one JSON object: `{"index":N,"entry":E}`. E is the entry's bytes as they are, so that what
 * lies between `"entry":` and the last brace is the leaf.
 */
export function entryObject({ index, bytes }: SinkEntry): Buffer {
  return Buffer.concat([Buffer.from(`{"index":${index},"entry":`), bytes, Buffer.from("}")]);
}

/** How every such object begins. */
export const ENTRY_OBJECT_START = '{"index":';

/** Whether a text is such an object, as far as its ends tell. */
export function isEntryObject(text: string): boolean {
  return /^\{"index":(0|[1-9][0-9]{0,15}),"entry":\{.*\}\}$/s.test(text);
}
