#define CRYPTOKI_GNU 1

#include "audit/custodian.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <p11-kit-1/p11-kit/pkcs11.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/keys.h"

#define FILE_LIMIT 8192
#define PIN_LIMIT  256
#define SLOTS      64
#define POINT_SIZE 65 /* of P-256, uncompressed */
#define NONCE_SIZE 12
#define TAG_SIZE   16

/* p11-kit's names; in CRYPTOKI_GNU clothes the types are structs and the functions members of ck_function_list. */
struct custodian {
	char module[PATH_MAX], token[64], pin_file[PATH_MAX];
	void *library;
	struct ck_function_list *functions;
	ck_session_handle_t session;
	bool initialized, open;
};

static int
token_says(struct fault *why, const struct custodian *custodian, const char *doing, ck_rv_t code)
{
	static const struct {
		ck_rv_t code;
		const char *ko, *en;
	} words[] = {
	    {CKR_PIN_INCORRECT,          "PIN이 틀렸습니다",                   "the PIN is wrong"                      },
	    {CKR_PIN_LOCKED,             "PIN이 잠겼습니다",                   "the PIN is locked"                     },
	    {CKR_PIN_LEN_RANGE,          "PIN의 길이가 맞지 않습니다",     "the PIN has the wrong length"          },
	    {CKR_TOKEN_NOT_PRESENT,      "토큰이 없습니다",                   "the token is not present"              },
	    {CKR_DEVICE_REMOVED,         "장치가 빠졌습니다",                "the device was removed"                },
	    {CKR_DEVICE_ERROR,           "장치 오류",                            "device error"                          },
	    {CKR_MECHANISM_INVALID,      "그 방식을 모르는 토큰입니다",  "the token does not know that mechanism"},
	    {CKR_SESSION_READ_ONLY,      "읽기 전용 세션",                     "read-only session"                     },
	    {CKR_TOKEN_WRITE_PROTECTED,  "쓰기 보호된 토큰",                  "the token is write-protected"          },
	    {CKR_ENCRYPTED_DATA_INVALID, "이 키로 봉인된 것이 아닙니다", "not sealed under this key"             },
	};
	const char *ko = "토큰이 거절했습니다", *en = "the token refused";

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (words[i].code == code) {
			ko = words[i].ko;
			en = words[i].en;
		}
	return fault_set(why,
	                 code == CKR_MECHANISM_INVALID        ? FAULT_UNSUPPORTED
	                 : code == CKR_ENCRYPTED_DATA_INVALID ? FAULT_TAMPERED
	                                                      : FAULT_UNAVAILABLE,
	                 "키 보관 장치(토큰 %s), %s: %s%.0s (0x%lx)",
	                 "key custodian (token %s), %s: %.0s%s (0x%lx)", custodian->token, doing, ko, en,
	                 (unsigned long)code);
}

/* ---- what the folder says ------------------------------------------------------------------------------ */

static bool
word_is(struct slice *line, const char *word)
{
	const size_t size = strlen(word);

	if (line->size <= size || memcmp(line->data, word, size) != 0 || line->data[size] != ' ')
		return false;
	line->data += size + 1;
	line->size -= size + 1;
	return true;
}

static bool
value_take(char *out, size_t room, struct slice value)
{
	if (out[0] != '\0' || value.size == 0 || value.size >= room ||
	    memchr(value.data, '\0', value.size) != NULL)
		return false;
	memcpy(out, value.data, value.size);
	out[value.size] = '\0';
	return true;
}

static bool
credential_take(char out[PATH_MAX], struct slice name)
{
	const char *const folder = getenv("CREDENTIALS_DIRECTORY");

	return out[0] == '\0' && folder != NULL && name.size > 0 && name.size < 256 &&
	       memchr(name.data, '/', name.size) == NULL &&
	       (size_t)snprintf(out, PATH_MAX, "%s/%.*s", folder, SLICE_PRINT(name)) < PATH_MAX;
}

static int
settings_read(struct custodian *custodian, struct slice text, const char *path, struct fault *why)
{
	struct reader reader = reader_of(text);
	unsigned number = 0;

	while (reader.rest.size > 0) {
		struct slice line = reader_line(&reader);
		bool good;

		number++;
		if (!reader_ok(&reader))
			break;
		if (line.size == 0 || line.data[0] == '#')
			continue;
		if (word_is(&line, "module"))
			good = value_take(custodian->module, sizeof custodian->module, line) &&
			       line.data[0] == '/';
		else if (word_is(&line, "token"))
			good = value_take(custodian->token, sizeof custodian->token, line);
		else if (word_is(&line, "pin-file"))
			good = value_take(custodian->pin_file, sizeof custodian->pin_file, line);
		else
			good = word_is(&line, "pin-credential") && credential_take(custodian->pin_file, line);
		if (!good)
			return fault_set(why, FAULT_INVALID,
			                 "%s:%u: \"module /경로\", \"token 이름\", \"pin-file 경로\"(또는 "
			                 "pin-credential 이름) "
			                 "한 줄씩이어야 합니다",
			                 "%s:%u: it is a line each of \"module /PATH\", \"token LABEL\", "
			                 "\"pin-file PATH\" (or "
			                 "pin-credential NAME)",
			                 path, number);
	}
	if (!reader_ok(&reader) || custodian->module[0] == '\0' || custodian->token[0] == '\0' ||
	    custodian->pin_file[0] == '\0')
		return fault_set(why, FAULT_INVALID,
		                 "%s: module, token, pin-file이 모두 있어야 합니다 (%u줄까지 읽음)",
		                 "%s: module, token and pin-file are needed (%u lines read)", path, number);
	return 0;
}

/* ---- opening ------------------------------------------------------------------------------------------- */

static int
slot_find(struct custodian *custodian, ck_slot_id_t *slot, struct fault *why)
{
	ck_slot_id_t slots[SLOTS];
	unsigned long count = SLOTS;
	ck_rv_t code = custodian->functions->C_GetSlotList(1, slots, &count);

	if (code != CKR_OK)
		return token_says(why, custodian, "C_GetSlotList", code);
	for (unsigned long i = 0; i < count; i++) {
		struct ck_token_info info;
		size_t size = sizeof info.label;

		if (custodian->functions->C_GetTokenInfo(slots[i], &info) != CKR_OK)
			continue;
		while (size > 0 && info.label[size - 1] == ' ')
			size--;
		if (size == strlen(custodian->token) && memcmp(info.label, custodian->token, size) == 0) {
			*slot = slots[i];
			return 0;
		}
	}
	return fault_set(why, FAULT_NOT_FOUND, "%s에 이름이 \"%s\"인 토큰이 없습니다",
	                 "%s has no token called \"%s\"", custodian->module, custodian->token);
}

static int
log_in(struct custodian *custodian, struct fault *why)
{
	uint8_t *pin;
	size_t size;
	ck_rv_t code;

	if (secret_read(&pin, &size, custodian->pin_file, PIN_LIMIT, why) == -1)
		return fault_prefix(why, "키 보관 장치의 PIN", "the custodian's PIN");
	while (size > 0 && (pin[size - 1] == '\n' || pin[size - 1] == '\r'))
		size--;
	code = custodian->functions->C_Login(custodian->session, CKU_USER, pin, size);
	sodium_free(pin);
	return code == CKR_OK || code == CKR_USER_ALREADY_LOGGED_IN
	           ? 0
	           : token_says(why, custodian, "C_Login", code);
}

static int
module_load(struct custodian *custodian, struct fault *why)
{
	ck_rv_t (*list)(struct ck_function_list * *functions);
	void *symbol;
	ck_rv_t code;

	if ((custodian->library = dlopen(custodian->module, RTLD_NOW | RTLD_LOCAL)) == NULL ||
	    (symbol = dlsym(custodian->library, "C_GetFunctionList")) == NULL)
		return fault_set(why, FAULT_UNAVAILABLE, "PKCS#11 모듈을 열 수 없습니다: %s",
		                 "the PKCS#11 module cannot be loaded: %s", dlerror());
	memcpy(&list, &symbol, sizeof list);
	if ((code = list(&custodian->functions)) != CKR_OK)
		return token_says(why, custodian, "C_GetFunctionList", code);
	code = custodian->functions->C_Initialize(NULL);
	if (code != CKR_OK && code != CKR_CRYPTOKI_ALREADY_INITIALIZED)
		return token_says(why, custodian, "C_Initialize", code);
	custodian->initialized = code == CKR_OK;
	return 0;
}

static int
settings_path(char path[PATH_MAX], const char *directory, struct fault *why)
{
	return (size_t)snprintf(path, PATH_MAX, "%s/" CUSTODIAN_FILE, directory) < PATH_MAX
	           ? 0
	           : fault_set(why, FAULT_INVALID, "경로가 너무 깁니다", "the path is too long");
}

int
custodian_named(const char *directory, struct fault *why)
{
	char path[PATH_MAX];

	if (settings_path(path, directory, why) == -1)
		return -1;
	return access(path, F_OK) == 0 || errno != ENOENT;
}

int
custodian_open(struct custodian **out, const char *directory, struct fault *why)
{
	struct custodian *custodian = NULL;
	uint8_t *text = NULL;
	char path[PATH_MAX];
	ck_slot_id_t slot = 0;
	size_t size;
	ck_rv_t code;
	int result = -1;

	*out = NULL;
	switch (custodian_named(directory, why)) {
	case 0:
		return 0;
	case 1:
		break;
	default:
		return -1;
	}
	if (settings_path(path, directory, why) == -1)
		return -1;
	if (secret_read(&text, &size, path, FILE_LIMIT, why) == -1)
		return -1;
	if ((custodian = calloc(1, sizeof *custodian)) == NULL) {
		fault_memory(why);
		goto out;
	}
	if (settings_read(custodian, slice_of(text, size), path, why) == -1 ||
	    module_load(custodian, why) == -1 || slot_find(custodian, &slot, why) == -1)
		goto out;
	code = custodian->functions->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
	                                           &custodian->session);
	if (code != CKR_OK) {
		token_says(why, custodian, "C_OpenSession", code);
		goto out;
	}
	custodian->open = true;
	if (log_in(custodian, why) == -1)
		goto out;
	*out = custodian;
	custodian = NULL;
	result = 0;
out:
	sodium_free(text);
	custodian_close(custodian);
	return result;
}

void
custodian_close(struct custodian *custodian)
{
	if (custodian == NULL)
		return;
	if (custodian->open)
		(void)custodian->functions->C_CloseSession(custodian->session);
	if (custodian->initialized)
		(void)custodian->functions->C_Finalize(NULL);
	if (custodian->library != NULL)
		dlclose(custodian->library);
	free(custodian);
}

/* ---- objects ------------------------------------------------------------------------------------------- */

/* Exactly one object of this class and label. */
static int
object_find(struct custodian *custodian, ck_object_class_t class, const char *label,
            ck_object_handle_t *object, struct fault *why)
{
	struct ck_attribute wanted[] = {
	    {CKA_CLASS, &class,                   sizeof class },
	    {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)},
	};
	ck_object_handle_t found[2];
	unsigned long count = 0;
	ck_rv_t code = custodian->functions->C_FindObjectsInit(custodian->session, wanted, 2);

	if (code == CKR_OK) {
		code = custodian->functions->C_FindObjects(custodian->session, found, 2, &count);
		(void)custodian->functions->C_FindObjectsFinal(custodian->session);
	}
	if (code != CKR_OK)
		return token_says(why, custodian, "C_FindObjects", code);
	if (count != 1)
		return fault_set(why, FAULT_NOT_FOUND, "토큰 %s에 키 \"%s\"이(가) %s",
		                 "token %s has key \"%s\" %s", custodian->token, label,
		                 count == 0 ? "0" : ">1");
	*object = found[0];
	return 0;
}

static const uint8_t oid_p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static const uint8_t oid_ed25519[] = {0x06, 0x03, 0x2b, 0x65, 0x70};
/* Some tokens know the curve by its name alone. */
static const uint8_t name_ed25519[] = {0x13, 0x0c, 'e', 'd', 'w', 'a', 'r',
                                       'd',  's',  '2', '5', '5', '1', '9'};

static ck_rv_t
pair_make(struct custodian *custodian, enum custodian_kind kind, const char *label, struct slice curve)
{
	unsigned char yes = 1, no = 0;
	struct ck_mechanism mechanism = {
	    kind == CUSTODIAN_P256 ? CKM_EC_KEY_PAIR_GEN : CKM_EC_EDWARDS_KEY_PAIR_GEN, NULL, 0};
	struct ck_attribute public_parts[] = {
	    {CKA_TOKEN,     &yes,                          1            },
	    {CKA_VERIFY,    &yes,                          1            },
	    {CKA_LABEL,     (void *)(uintptr_t)label,      strlen(label)},
	    {CKA_ID,        (void *)(uintptr_t)label,      strlen(label)},
	    {CKA_EC_PARAMS, (void *)(uintptr_t)curve.data, curve.size   },
	};
	struct ck_attribute private_parts[] = {
	    {CKA_TOKEN,       &yes,                     1            },
	    {CKA_PRIVATE,     &yes,                     1            },
	    {CKA_SIGN,        &yes,                     1            },
	    {CKA_SENSITIVE,   &yes,                     1            },
	    {CKA_EXTRACTABLE, &no,                      1            },
	    {CKA_LABEL,       (void *)(uintptr_t)label, strlen(label)},
	    {CKA_ID,          (void *)(uintptr_t)label, strlen(label)},
	};
	ck_object_handle_t public_key, private_key;

	return custodian->functions->C_GenerateKeyPair(custodian->session, &mechanism, public_parts, 5,
	                                               private_parts, 7, &public_key, &private_key);
}

int
custodian_make(struct custodian *custodian, enum custodian_kind kind, const char *label, struct fault *why)
{
	ck_rv_t code;

	if (kind == CUSTODIAN_P256) {
		code = pair_make(custodian, kind, label, slice_of(oid_p256, sizeof oid_p256));
	} else {
		code = pair_make(custodian, kind, label, slice_of(oid_ed25519, sizeof oid_ed25519));
		if (code != CKR_OK && code != CKR_MECHANISM_INVALID)
			code = pair_make(custodian, kind, label, slice_of(name_ed25519, sizeof name_ed25519));
	}
	return code == CKR_OK ? 0 : token_says(why, custodian, "C_GenerateKeyPair", code);
}

int
custodian_destroy(struct custodian *custodian, const char *label, struct fault *why)
{
	static const ck_object_class_t classes[] = {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY};

	for (size_t i = 0; i < 2; i++) {
		ck_object_handle_t object;
		ck_rv_t code;

		if (object_find(custodian, classes[i], label, &object, why) == -1)
			return -1;
		if ((code = custodian->functions->C_DestroyObject(custodian->session, object)) != CKR_OK)
			return token_says(why, custodian, "C_DestroyObject", code);
	}
	return 0;
}

/* The point as the token has it: an OCTET STRING around it, or, of some tokens, bare. */
static int
point_read(struct custodian *custodian, ck_object_handle_t object, uint8_t *point, size_t size,
           struct fault *why)
{
	uint8_t bytes[POINT_SIZE + 8];
	struct ck_attribute wanted = {CKA_EC_POINT, bytes, sizeof bytes};
	ck_rv_t code = custodian->functions->C_GetAttributeValue(custodian->session, object, &wanted, 1);

	if (code != CKR_OK)
		return token_says(why, custodian, "C_GetAttributeValue", code);
	if (wanted.value_len == size + 2 && bytes[0] == 0x04 && bytes[1] == size)
		memcpy(point, bytes + 2, size);
	else if (wanted.value_len == size)
		memcpy(point, bytes, size);
	else
		return fault_set(why, FAULT_UNSUPPORTED, "토큰 %s이(가) 준 공개키를 알 수 없습니다",
		                 "the public key that token %s gave is not understood", custodian->token);
	return 0;
}

int
custodian_public(struct custodian *custodian, enum custodian_kind kind, const char *label, struct buffer *out,
                 struct fault *why)
{
	/* SubjectPublicKeyInfo of P-256 in front of an uncompressed point. */
	static const uint8_t heading[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
	                                  0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
	                                  0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
	uint8_t point[POINT_SIZE];
	const size_t size = kind == CUSTODIAN_P256 ? POINT_SIZE : 32;
	ck_object_handle_t object;

	if (object_find(custodian, CKO_PUBLIC_KEY, label, &object, why) == -1 ||
	    point_read(custodian, object, point, size, why) == -1)
		return -1;
	if (kind == CUSTODIAN_P256)
		buffer_append(out, heading, sizeof heading);
	buffer_append(out, point, size);
	return buffer_ok(out) ? 0 : fault_memory(why);
}

/* r and s, 32 bytes each, as the DER that everybody else speaks. */
static int
ecdsa_encode(const uint8_t raw[64], uint8_t *signature, size_t *size, struct fault *why)
{
	ECDSA_SIG *parts = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(raw, 32, NULL), *s = BN_bin2bn(raw + 32, 32, NULL);
	int length = -1;

	if (parts != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(parts, r, s) == 1) {
		r = s = NULL;
		length = i2d_ECDSA_SIG(parts, NULL);
		if (length > 0 && (size_t)length <= *size)
			*size = (size_t)i2d_ECDSA_SIG(parts, &signature);
		else
			length = -1;
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(parts);
	return length > 0 ? 0 : fault_memory(why);
}

int
custodian_sign(struct custodian *custodian, enum custodian_kind kind, const char *label, struct slice text,
               uint8_t *signature, size_t *size, struct fault *why)
{
	struct ck_mechanism mechanism = {kind == CUSTODIAN_P256 ? CKM_ECDSA : CKM_EDDSA, NULL, 0};
	uint8_t digest[crypto_hash_sha256_BYTES], raw[64];
	unsigned long length = sizeof raw;
	ck_object_handle_t object;
	struct slice message = text;
	ck_rv_t code;

	if (object_find(custodian, CKO_PRIVATE_KEY, label, &object, why) == -1)
		return -1;
	if (kind == CUSTODIAN_P256) {
		crypto_hash_sha256(digest, text.data, text.size);
		message = slice_of(digest, sizeof digest);
	}
	code = custodian->functions->C_SignInit(custodian->session, &mechanism, object);
	if (code == CKR_OK)
		code = custodian->functions->C_Sign(
		    custodian->session, (unsigned char *)(uintptr_t)message.data, message.size, raw, &length);
	if (code != CKR_OK)
		return token_says(why, custodian, "C_Sign", code);
	if (length != sizeof raw || *size < sizeof raw)
		return fault_set(why, FAULT_UNSUPPORTED, "토큰 %s의 서명 길이가 맞지 않습니다",
		                 "a signature of token %s has the wrong length", custodian->token);
	if (kind == CUSTODIAN_P256)
		return ecdsa_encode(raw, signature, size, why);
	memcpy(signature, raw, sizeof raw);
	*size = sizeof raw;
	return 0;
}

/* ---- wrapping ------------------------------------------------------------------------------------------ */

int
custodian_make_wrapping(struct custodian *custodian, const char *label, struct fault *why)
{
	unsigned char yes = 1, no = 0;
	unsigned long bytes = 32;
	struct ck_mechanism mechanism = {CKM_AES_KEY_GEN, NULL, 0};
	struct ck_attribute parts[] = {
	    {CKA_TOKEN,       &yes,                     1            },
	    {CKA_PRIVATE,     &yes,                     1            },
	    {CKA_SENSITIVE,   &yes,                     1            },
	    {CKA_EXTRACTABLE, &no,                      1            },
	    {CKA_ENCRYPT,     &yes,                     1            },
	    {CKA_DECRYPT,     &yes,                     1            },
	    {CKA_VALUE_LEN,   &bytes,                   sizeof bytes },
	    {CKA_LABEL,       (void *)(uintptr_t)label, strlen(label)},
	};
	ck_object_handle_t object;
	const ck_rv_t code =
	    custodian->functions->C_GenerateKey(custodian->session, &mechanism, parts, 8, &object);

	return code == CKR_OK ? 0 : token_says(why, custodian, "C_GenerateKey", code);
}

int
custodian_destroy_wrapping(struct custodian *custodian, const char *label, struct fault *why)
{
	ck_object_handle_t object;
	ck_rv_t code;

	if (object_find(custodian, CKO_SECRET_KEY, label, &object, why) == -1)
		return -1;
	code = custodian->functions->C_DestroyObject(custodian->session, object);
	return code == CKR_OK ? 0 : token_says(why, custodian, "C_DestroyObject", code);
}

int
custodian_wrap(struct custodian *custodian, const char *label, struct slice secret, struct buffer *out,
               struct fault *why)
{
	uint8_t nonce[NONCE_SIZE], sealed[128 + TAG_SIZE];
	struct ck_gcm_params parameters = {nonce, sizeof nonce, 8 * sizeof nonce, NULL, 0, 8 * TAG_SIZE};
	struct ck_mechanism mechanism = {CKM_AES_GCM, &parameters, sizeof parameters};
	unsigned long length = sizeof sealed;
	ck_object_handle_t object;
	ck_rv_t code;

	if (object_find(custodian, CKO_SECRET_KEY, label, &object, why) == -1)
		return -1;
	randombytes_buf(nonce, sizeof nonce);
	code = custodian->functions->C_EncryptInit(custodian->session, &mechanism, object);
	if (code == CKR_OK)
		code = custodian->functions->C_Encrypt(custodian->session,
		                                       (unsigned char *)(uintptr_t)secret.data, secret.size,
		                                       sealed, &length);
	if (code != CKR_OK)
		return token_says(why, custodian, "C_Encrypt", code);
	buffer_append(out, nonce, sizeof nonce);
	buffer_append(out, sealed, length);
	return buffer_ok(out) ? 0 : fault_memory(why);
}

int
custodian_unwrap(struct custodian *custodian, const char *label, struct slice sealed, uint8_t *secret,
                 size_t size, struct fault *why)
{
	uint8_t nonce[NONCE_SIZE];
	struct ck_gcm_params parameters = {nonce, sizeof nonce, 8 * sizeof nonce, NULL, 0, 8 * TAG_SIZE};
	struct ck_mechanism mechanism = {CKM_AES_GCM, &parameters, sizeof parameters};
	unsigned long length = size + TAG_SIZE;
	ck_object_handle_t object;
	uint8_t *plain;
	ck_rv_t code;
	int result = -1;

	if (sealed.size != NONCE_SIZE + size + TAG_SIZE)
		return fault_set(why, FAULT_TAMPERED, "봉인된 키의 크기가 맞지 않습니다",
		                 "the sealed key has the wrong size");
	if (object_find(custodian, CKO_SECRET_KEY, label, &object, why) == -1)
		return -1;
	memcpy(nonce, sealed.data, sizeof nonce);
	/* Some tokens want room for the tag, too. */
	if ((plain = sodium_malloc(size + TAG_SIZE)) == NULL)
		return fault_memory(why);
	code = custodian->functions->C_DecryptInit(custodian->session, &mechanism, object);
	if (code == CKR_OK)
		code = custodian->functions->C_Decrypt(custodian->session,
		                                       (unsigned char *)(uintptr_t)(sealed.data + NONCE_SIZE),
		                                       sealed.size - NONCE_SIZE, plain, &length);
	if (code == CKR_GENERAL_ERROR || code == CKR_FUNCTION_FAILED || code == CKR_DATA_INVALID)
		code = CKR_ENCRYPTED_DATA_INVALID; /* what a wrong tag is called differs */
	if (code != CKR_OK || length != size) {
		token_says(why, custodian, "C_Decrypt", code);
	} else {
		memcpy(secret, plain, size);
		result = 0;
	}
	sodium_free(plain);
	return result;
}
