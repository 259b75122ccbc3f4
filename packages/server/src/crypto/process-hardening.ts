import { dlopen } from "node:ffi";
import { url } from "node:inspector";
import { constants } from "node:os";

/** From `linux/prctl.h`. */
const PR_SET_DUMPABLE = 4;
/** From `asm-generic/resource.h`; the same on every architecture that Node is built for. */
const RLIMIT_CORE = 4;
/** SIG_IGN, the handler that drops a signal, and SIG_ERR, both addresses that signal(2) gives a meaning. */
const SIG_IGN = 1n;
const SIG_ERR = 2n ** 64n - 1n;

/** What {@link hardenProcess} could do. */
export interface Hardening {
  /** The process cannot be attached to by others of its user, and writes no core file (prctl(2) PR_SET_DUMPABLE). */
  readonly notDumpable: boolean;
  /** The size limit of core files is zero, for this process and its children (setrlimit(2) RLIMIT_CORE). */
  readonly noCoreFiles: boolean;
  /** SIGUSR1, on which Node opens its debugger's port, is ignored (signal(2)). */
  readonly noDebugSignal: boolean;
}

/**
 * Keeps key material in memory from reaching core files and debuggers of the same user. It is a second fence: root can
 * pass it. To be called first, before any key is read.
 *
 * @returns What took effect; all false where it is not Linux. The caller reports what did not.
 */
export function hardenProcess(): Hardening {
  if (process.platform !== "linux") {
    return { notDumpable: false, noCoreFiles: false, noDebugSignal: false };
  }
  const { functions: libc } = dlopen(null, {
    prctl: { arguments: ["i32", "u64", "u64", "u64", "u64"], return: "i32" },
    setrlimit: { arguments: ["i32", "buffer"], return: "i32" },
    signal: { arguments: ["i32", "pointer"], return: "pointer" },
  });
  // struct rlimit: soft and hard limit, 64 bits each, both zero.
  const none = Buffer.alloc(16);
  return {
    notDumpable: libc.prctl(PR_SET_DUMPABLE, 0n, 0n, 0n, 0n) === 0,
    noCoreFiles: libc.setrlimit(RLIMIT_CORE, none) === 0,
    noDebugSignal: libc.signal(constants.signals.SIGUSR1, SIG_IGN) !== SIG_ERR,
  };
}

/** An `--inspect`, `--inspect-brk`, `--inspect-port=…` among arguments, with Node's underscore spelling as well. */
const INSPECT_FLAG = /(^|\s|")--inspect/;

/**
 * Refuses to run with a debugger's port, through which anyone on the machine could read every key.
 *
 * @param execArgv `process.execArgv`.
 * @param nodeOptions The environment variable NODE_OPTIONS; config reads it.
 * @throws Error when an inspector is open or asked for.
 */
export function refuseInspector(execArgv: readonly string[], nodeOptions: string | undefined): void {
  const asked = INSPECT_FLAG.test(nodeOptions ?? "") || execArgv.some((argument) => INSPECT_FLAG.test(argument));
  if (asked || url() !== undefined) {
    throw new Error("refusing to run with --inspect: a debugger can read every key; remove the flag");
  }
}
