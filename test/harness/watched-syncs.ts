import type { Stats } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { TestContext } from "node:test";

/**
 * Tells of each file and folder that is made durable through a handle of node:fs/promises, fsync(2) or fdatasync(2), until
 * the test ends. Nothing but a power failure shows that such a call is missing.
 * @param tell Is waited for before the call itself is made.
 */
export async function watchSyncs(context: TestContext, tell: (stats: Stats) => Promise<void> | void): Promise<void> {
  const any = await open("/dev/null");
  await any.close();
  const handles = Object.getPrototypeOf(any) as FileHandle;
  for (const name of ["sync", "datasync"] as const) {
    const real = handles[name];
    context.mock.method(handles, name, async function watched(this: FileHandle): Promise<void> {
      await tell(await this.stat());
      await real.call(this);
    });
  }
}
