import { AddressRefused, readServiceAddress as read } from "../remote/service-address.ts";
import { SealFailure } from "./seal.ts";

/**
 * Reads the address of a service that is asked for a key: https, or http on loopback.
 * @param setting Names it in the error.
 * @throws SealFailure when it is anything else, or holds credentials, a query or a fragment.
 */
export function readServiceAddress(address: string, setting: string): URL {
  try {
    return read(address, setting);
  } catch (error) {
    throw error instanceof AddressRefused ? new SealFailure(error.message) : error;
  }
}
