/**
 * Reads entries, and reads them anew when they are missing since some were pruned meanwhile: nothing of what is to be there is
 * missing then.
 * @param pruned Index of the first entry that the store still has.
 * @param read Reads them as of that index. @throws RangeError when one is missing.
 */
export async function besidePruning<T>(pruned: () => number, read: (pruned: number) => Promise<T>): Promise<T> {
  for (;;) {
    const before = pruned();
    try {
      return await read(before);
    } catch (error) {
      if (!(error instanceof RangeError) || pruned() === before) {
        throw error;
      }
    }
  }
}
