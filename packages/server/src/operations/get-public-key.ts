import { BunkmsError, KeyTransferService } from "@bunkms/contract";
import { publicKeyJwk, publicKeyPem, publicKeySsh } from "../crypto/public-key.ts";
import { refuseDestroyed } from "../vault/key-life.ts";
import { defineOperation } from "./operation.ts";
import { jwkMembers, requirePublic } from "./public-key-forms.ts";

export const getPublicKey = defineOperation(
  KeyTransferService.method.getPublicKey,
  async ({ vault }, { name, version: asked }) => {
    const key = await vault.keys.get(name);
    requirePublic(key);
    refuseDestroyed(key.state, "the key");
    const number = asked || key.latestVersion;
    if (number === 0) {
      throw new BunkmsError("wrong_key_state", "the key is waiting for its import");
    }
    const version = await vault.keys.version(key, number);
    refuseDestroyed(version.state, `version ${number}`);
    const { publicKey } = version;
    const jwk = publicKeyJwk(publicKey, jwkMembers(key, publicKey));
    return {
      response: {
        version: number,
        pem: publicKeyPem(publicKey),
        derB64: publicKey,
        jwk: jwk === undefined ? "" : JSON.stringify(jwk),
        ssh: publicKeySsh(publicKey) ?? "",
      },
    };
  },
);
