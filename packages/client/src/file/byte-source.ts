/** Where a file's bytes come from: a stream of Node, a web stream such as `blob.stream()`, or anything iterable. */
export type ByteSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array> | ReadableStream<Uint8Array>;

/** A source's chunks. */
export function chunksOf(source: ByteSource): AsyncIterable<Uint8Array> {
  if (Symbol.asyncIterator in source) {
    return source;
  }
  return Symbol.iterator in source ? fromIterable(source) : fromWebStream(source);
}

async function* fromIterable(source: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* source;
}

/** Not every browser's web streams can be iterated yet. */
async function* fromWebStream(source: Pick<ReadableStream<Uint8Array>, "getReader">): AsyncGenerator<Uint8Array> {
  const reader = source.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      yield next.value;
    }
  } finally {
    // Of a stream that is read to its end, this does nothing.
    await reader.cancel();
  }
}
