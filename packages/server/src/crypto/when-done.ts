/**
 * Goes on with a result: at once when it is there already, so that a thousand quick ones in a row wait for no promise.
 * @throws what `use` throws, at once or by its promise.
 */
export function whenDone<T, R>(result: T | Promise<T>, use: (result: T) => R | Promise<R>): R | Promise<R> {
  return result instanceof Promise ? result.then(use) : use(result);
}
