/**
 * Runs a program with a Node runtime as a child process that shares the terminal, hands signals on, and resolves with
 * the exit status a shell would show: the program's own, or 128 and the signal's number.
 * @throws Error when the runtime cannot be started.
 */
export declare function runNode(runtime: string, args: readonly string[]): Promise<number>;
