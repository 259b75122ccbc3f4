/** From so many bytes on a buffer is surely none of those that Node hands out in parts. */
const LEAST = 16 * 1024;

/**
 * Frees the memory of bytes that nobody will look at again, and that are all of their buffer. Left to the garbage
 * collector, gigabytes of them keep it so busy that encrypting takes half as long again, while a hundred megabytes wait.
 */
export function release(bytes: Uint8Array): void {
  const { buffer, byteLength } = bytes;
  if (byteLength >= LEAST && byteLength === buffer.byteLength && buffer instanceof ArrayBuffer) {
    buffer.transfer(0);
  }
}
