import { BunkmsError, type InitialiseRequest, SealService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";
import { shareRequest } from "./share-request.ts";
import { optionalTimestamp } from "./timestamp.ts";

export const initialise = defineOperation(SealService.method.initialise, async ({ seals }, request) => {
  refuseVaultsOwn(request);
  const { result, plan, recorder } = await seals.initialise(shareRequest(request));
  const { issued, root } = result;
  return {
    response: {
      keys: issued.raw.map((share) => share.toString("hex")),
      keysBase64: issued.raw.map((share) => share.toString("base64")),
      shares: [...issued.texts],
      rootToken: root.token,
      ...optionalTimestamp("rootTokenExpiresAt", root.expiresAt),
    },
    plan,
    recorder,
  };
});

/** Vault's recovery shares open nothing, and its PGP keys are age recipients here: better refused than dropped. */
function refuseVaultsOwn(request: InitialiseRequest): void {
  const { storedShares, recoveryShares, recoveryThreshold, pgpKeys, recoveryPgpKeys, rootTokenPgpKey } = request;
  if (storedShares + recoveryShares + recoveryThreshold > 0) {
    throw new BunkmsError(
      "invalid_request",
      "recovery_shares and stored_shares: here each slot opens the vault; name shamir among the seals for shares",
    );
  }
  if (pgpKeys.length + recoveryPgpKeys.length > 0 || rootTokenPgpKey !== "") {
    throw new BunkmsError(
      "invalid_request",
      "pgp_keys, root_token_pgp_key: PGP is not used here; for encrypted shares give age recipients in share_recipients",
    );
  }
}
