const LOOPBACK = /^(127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\]|localhost)$/;

/** An address of another service that is not used. Its message says which setting, and why. */
export class AddressRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = "AddressRefused";
  }
}

/**
 * Reads the address of a service that the server calls: https, or http on loopback.
 * @param setting Names it in the error.
 * @throws AddressRefused when it is anything else, or holds credentials, a query or a fragment.
 */
export function readServiceAddress(address: string, setting: string): URL {
  const url = URL.parse(address);
  if (url === null) throw new AddressRefused(`${setting} is not an address: https://HOST:PORT`);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopbackName(url.hostname))) {
    throw new AddressRefused(
      `${setting} must begin with https://; without TLS only an address of this machine is asked`,
    );
  }
  if (`${url.username}${url.password}${url.search}${url.hash}` !== "") {
    throw new AddressRefused(`${setting} must be an address alone, without credentials, query or fragment`);
  }
  return url;
}

/** Whether a host is this machine. @param host As in a URL, IPv6 in brackets. */
export function isLoopbackName(host: string): boolean {
  return LOOPBACK.test(host);
}
