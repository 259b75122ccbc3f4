import { BunkmsError } from "@bunkms/contract";
import type { Introspection, Services } from "../operations/operation.ts";
import type { SealControl } from "../operations/seal-control.ts";

/** What there is for calls while no vault is open: what they may not have is refused, not missing. */
export function sealedServices(introspection: Introspection, seals: SealControl): Services {
  const refuse = (): never => {
    throw new BunkmsError("sealed");
  };
  return {
    introspection,
    seals,
    get vault() {
      return refuse();
    },
    get tokens() {
      return refuse();
    },
    get audit() {
      return refuse();
    },
  };
}
