import type { TestContext } from "node:test";

/** What buffers of up to 4 KiB held, in hexadecimal, that were zeroed since the call; until the test ends. */
export function watchWipes(context: TestContext): readonly string[] {
  const seen: string[] = [];
  const real = Buffer.prototype.fill;
  context.mock.method(Buffer.prototype, "fill", function fill(this: Buffer, ...args: Parameters<typeof real>) {
    if (this.length <= 4096 && (args[0] as unknown) === 0) {
      seen.push(this.toString("hex"));
    }
    return real.apply(this, args);
  });
  return seen;
}
