/** What `bunkms key export` wrote. */
export interface WrappedFile {
  readonly file: string;
  readonly algorithm: string;
  /** Of what was wrapped. */
  readonly format: string;
  /** Length of the recipient's RSA modulus. */
  readonly modulusBytes: number;
}

const OAEP = "-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256";
const HARMLESS = /^[A-Za-z0-9._/-]+$/;

/**
 * The command lines with which `openssl` opens wrapped key material: RSA-OAEP, and for CKM_RSA_AES_KEY_WRAP also AES key
 * wrap with padding (RFC 5649), whose initial value it wants to be told. PRIVATE.pem stands for the recipient's key.
 */
export function unwrapRecipe({ file, algorithm, format, modulusBytes }: WrappedFile): readonly string[] {
  const key = format === "pkcs8" ? "key.der" : "key.bin";
  const wrapped = HARMLESS.test(file) ? file : `'${file.replaceAll("'", "'\\''")}'`;
  if (algorithm === "rsa-oaep-sha256") {
    return [`openssl pkeyutl -decrypt -inkey PRIVATE.pem ${OAEP} -in ${wrapped} -out ${key}`];
  }
  return [
    `head -c ${modulusBytes} ${wrapped} | openssl pkeyutl -decrypt -inkey PRIVATE.pem ${OAEP} -out aes.bin`,
    `tail -c +${modulusBytes + 1} ${wrapped} | openssl enc -d -id-aes256-wrap-pad -iv A65959A6 -K $(od -An -v -tx1 aes.bin | tr -d ' \\n') -out ${key}`,
  ];
}
