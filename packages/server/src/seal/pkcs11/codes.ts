/** The numbers of PKCS #11 v2.40 (OASIS, pkcs11t.h) that are needed here, by their names there. */
export const CKU_USER = 1n;
export const CKF_SERIAL_SESSION = 0x4n;
export const CKF_LOGIN_REQUIRED = 0x4n;
export const CKF_TOKEN_INITIALIZED = 0x400n;
export const CKF_USER_PIN_FINAL_TRY = 0x20000n;
export const CKF_USER_PIN_LOCKED = 0x40000n;

export const CKO_PUBLIC_KEY = 2n;
export const CKO_PRIVATE_KEY = 3n;
export const CKO_SECRET_KEY = 4n;
export const CKK_RSA = 0n;
export const CKK_GENERIC_SECRET = 0x10n;
export const CKK_AES = 0x1fn;

export const CKA_CLASS = 0x0n;
export const CKA_TOKEN = 0x1n;
export const CKA_LABEL = 0x3n;
export const CKA_VALUE = 0x11n;
export const CKA_KEY_TYPE = 0x100n;
export const CKA_ID = 0x102n;
export const CKA_SENSITIVE = 0x103n;
export const CKA_EXTRACTABLE = 0x162n;

export const CKM_RSA_PKCS_OAEP = 0x9n;
export const CKM_SHA_1 = 0x220n;
export const CKM_SHA256 = 0x250n;
export const CKM_AES_GCM = 0x1087n;
export const CKM_AES_KEY_WRAP = 0x2109n;
export const CKG_MGF1_SHA1 = 1n;
export const CKG_MGF1_SHA256 = 2n;
export const CKZ_DATA_SPECIFIED = 1n;

export const CKR_OK = 0n;
export const CKR_USER_ALREADY_LOGGED_IN = 0x100n;

/** Answers of C_Login after which the same PIN must not be tried again: each try may bring the token nearer to locking. */
export const PIN_REFUSALS: ReadonlySet<bigint> = new Set([0xa0n, 0xa1n, 0xa2n, 0xa3n, 0xa4n, 0x102n]);

const NAMES: ReadonlyMap<bigint, string> = new Map([
  [0x2n, "CKR_HOST_MEMORY"],
  [0x3n, "CKR_SLOT_ID_INVALID"],
  [0x5n, "CKR_GENERAL_ERROR"],
  [0x6n, "CKR_FUNCTION_FAILED"],
  [0x7n, "CKR_ARGUMENTS_BAD"],
  [0x12n, "CKR_ATTRIBUTE_TYPE_INVALID"],
  [0x13n, "CKR_ATTRIBUTE_VALUE_INVALID"],
  [0x20n, "CKR_DATA_INVALID"],
  [0x21n, "CKR_DATA_LEN_RANGE"],
  [0x30n, "CKR_DEVICE_ERROR"],
  [0x31n, "CKR_DEVICE_MEMORY"],
  [0x32n, "CKR_DEVICE_REMOVED"],
  [0x40n, "CKR_ENCRYPTED_DATA_INVALID"],
  [0x41n, "CKR_ENCRYPTED_DATA_LEN_RANGE"],
  [0x54n, "CKR_FUNCTION_NOT_SUPPORTED"],
  [0x62n, "CKR_KEY_SIZE_RANGE"],
  [0x63n, "CKR_KEY_TYPE_INCONSISTENT"],
  [0x68n, "CKR_KEY_FUNCTION_NOT_PERMITTED"],
  [0x70n, "CKR_MECHANISM_INVALID"],
  [0x71n, "CKR_MECHANISM_PARAM_INVALID"],
  [0x82n, "CKR_OBJECT_HANDLE_INVALID"],
  [0xa0n, "CKR_PIN_INCORRECT"],
  [0xa1n, "CKR_PIN_INVALID"],
  [0xa2n, "CKR_PIN_LEN_RANGE"],
  [0xa3n, "CKR_PIN_EXPIRED"],
  [0xa4n, "CKR_PIN_LOCKED"],
  [0xb1n, "CKR_SESSION_COUNT"],
  [0xb3n, "CKR_SESSION_HANDLE_INVALID"],
  [0xd0n, "CKR_TEMPLATE_INCOMPLETE"],
  [0xd1n, "CKR_TEMPLATE_INCONSISTENT"],
  [0xe0n, "CKR_TOKEN_NOT_PRESENT"],
  [0xe1n, "CKR_TOKEN_NOT_RECOGNIZED"],
  [0x100n, "CKR_USER_ALREADY_LOGGED_IN"],
  [0x101n, "CKR_USER_NOT_LOGGED_IN"],
  [0x102n, "CKR_USER_PIN_NOT_INITIALIZED"],
  [0x110n, "CKR_WRAPPED_KEY_INVALID"],
  [0x112n, "CKR_WRAPPED_KEY_LEN_RANGE"],
  [0x150n, "CKR_BUFFER_TOO_SMALL"],
  [0x190n, "CKR_CRYPTOKI_NOT_INITIALIZED"],
]);

/** The name of a return value, or its number where it has none here (those of vendors). */
export function nameOfResult(code: bigint): string {
  return NAMES.get(code) ?? `CKR 0x${code.toString(16)}`;
}
