import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { checkPrivateFile, createPrivateFile } from "./private-files.ts";
import { isBusy } from "./sqlite-errors.ts";
import { StoreRefused } from "./store-refused.ts";

/**
 * Takes the lock of a data folder, which ends with `close()` or with the process, however it dies.
 *
 * It is SQLite's lock on an empty file of its own. Node has no file locks, and the lock of the database itself comes
 * too late: SQLite takes it while it already recovers the log, and whoever then refuses what it finds has changed it by
 * closing. With this lock held, the other files can be looked at in peace before SQLite sees them.
 *
 * An fcntl lock is dropped when its process closes ANY descriptor of the file. SQLite knows and keeps its own from
 * harm; nothing else in this process may open `bunkms.lock` or `bunkms.db` while the store is open, not even to read
 * them. The file is never deleted: a second process could then lock another file of the same name.
 * The caller keeps a reference to what it gets: a connection that is collected as garbage is closed.
 * @throws StoreRefused with reason `in-use` if another process, or this one, holds it.
 */
export function lockFolder(folder: string): DatabaseSync {
  const file = join(folder, "bunkms.lock");
  if (!checkPrivateFile(file)) {
    try {
      createPrivateFile(file);
    } catch (error) {
      // Another process made it between the two calls: the lock decides between us.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
        throw error;
      }
    }
  }
  const lock = new DatabaseSync(file, { timeout: 0 });
  try {
    // Nothing is ever written here: a journal on disk would only be one more file.
    lock.exec("PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
    return lock;
  } catch (error) {
    lock.close();
    if (isBusy(error)) {
      throw new StoreRefused("in-use", `${folder} is in use by a running BunKMS: stop it first`, { cause: error });
    }
    throw error;
  }
}
