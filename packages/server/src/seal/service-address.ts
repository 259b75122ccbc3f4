import { SealFailure } from "./seal.ts";

const LOOPBACK = /^(127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\]|localhost)$/;

/**
 * Reads the address of a service that is asked for a key: https, or http on loopback.
 * @param setting Names it in the error.
 * @throws SealFailure when it is anything else, or holds credentials, a query or a fragment.
 */
export function readServiceAddress(address: string, setting: string): URL {
  const url = URL.parse(address);
  if (url === null) throw new SealFailure(`${setting} is not an address: https://HOST:PORT`);
  const isPlainLoopback = url.protocol === "http:" && LOOPBACK.test(url.hostname);
  if (url.protocol !== "https:" && !isPlainLoopback) {
    throw new SealFailure(`${setting} must begin with https://; without TLS only an address of this machine is asked`);
  }
  if (`${url.username}${url.password}${url.search}${url.hash}` !== "") {
    throw new SealFailure(`${setting} must be an address alone, without credentials, query or fragment`);
  }
  return url;
}
