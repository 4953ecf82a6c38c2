#include "audit/timestamp.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ts.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- asking -------------------------------------------------------------------------------------------------------------- */

static int
set_parts(TS_REQ *request, TS_MSG_IMPRINT *imprint, X509_ALGOR *algorithm, ASN1_INTEGER *nonce,
          const struct timestamp_question *question)
{
	ASN1_OBJECT *policy = NULL;
	int good;

	if (request == NULL || imprint == NULL || algorithm == NULL || nonce == NULL)
		return 0;
	if (question->policy[0] != '\0' && (policy = OBJ_txt2obj(question->policy, 1)) == NULL)
		return 0;
	good = X509_ALGOR_set0(algorithm, OBJ_nid2obj(NID_sha256), V_ASN1_NULL, NULL) &&
	       TS_MSG_IMPRINT_set_algo(imprint, algorithm) &&
	       TS_MSG_IMPRINT_set_msg(imprint, (unsigned char *)(uintptr_t)question->digest,
	                              (int)sizeof question->digest) &&
	       ASN1_STRING_set(nonce, question->nonce, (int)sizeof question->nonce) &&
	       TS_REQ_set_version(request, 1) && TS_REQ_set_msg_imprint(request, imprint) &&
	       TS_REQ_set_nonce(request, nonce) && TS_REQ_set_cert_req(request, 1) &&
	       (policy == NULL || TS_REQ_set_policy_id(request, policy));
	ASN1_OBJECT_free(policy);
	return good;
}

int
timestamp_ask(struct buffer *der, struct timestamp_question *question, struct slice document,
              const char *policy, struct fault *why)
{
	TS_REQ *request = TS_REQ_new();
	TS_MSG_IMPRINT *imprint = TS_MSG_IMPRINT_new();
	X509_ALGOR *algorithm = X509_ALGOR_new();
	ASN1_INTEGER *nonce = ASN1_INTEGER_new();
	unsigned char *bytes = NULL;
	int size = 0, result = -1;

	memset(question, 0, sizeof *question);
	if (policy != NULL && (size_t)snprintf(question->policy, sizeof question->policy, "%s", policy) >=
	                          sizeof question->policy) {
		fault_set(why, FAULT_INVALID, "시점확인 정책(OID)이 너무 깁니다",
		          "the time-stamp policy (OID) is too long");
		goto out;
	}
	crypto_hash_sha256(question->digest, document.data, document.size);
	/* A positive number of eight bytes in its shortest form. */
	randombytes_buf(question->nonce, sizeof question->nonce);
	question->nonce[0] = (uint8_t)((question->nonce[0] & 0x7f) | 0x40);
	if (!set_parts(request, imprint, algorithm, nonce, question) ||
	    (size = i2d_TS_REQ(request, &bytes)) <= 0) {
		fault_set(why, FAULT_INVALID, "시점확인 질의를 만들 수 없습니다 (정책 OID: %s)",
		          "the time-stamp query cannot be made (policy OID: %s)", question->policy);
		goto out;
	}
	buffer_append(der, bytes, (size_t)size);
	result = buffer_ok(der) ? 0 : fault_memory(why);
out:
	OPENSSL_free(bytes);
	ASN1_INTEGER_free(nonce);
	X509_ALGOR_free(algorithm);
	TS_MSG_IMPRINT_free(imprint);
	TS_REQ_free(request);
	ERR_clear_error();
	return result;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------- */

static TS_RESP *
response_read(struct slice answer, struct fault *why)
{
	const unsigned char *at = answer.data;
	TS_RESP *response = NULL;

	if (answer.size == 0 || answer.size > TIMESTAMP_LIMIT ||
	    (response = d2i_TS_RESP(NULL, &at, (long)answer.size)) == NULL ||
	    at != answer.data + answer.size) {
		TS_RESP_free(response);
		fault_set(why, FAULT_INVALID, "시점확인 응답(RFC 3161)이 아닙니다",
		          "not a time-stamp answer (RFC 3161)");
		return NULL;
	}
	return response;
}

/* Granted, or the authority's own words why not. */
static int
status_check(TS_RESP *response, struct fault *why)
{
	TS_STATUS_INFO *info = TS_RESP_get_status_info(response);
	const ASN1_INTEGER *number = info == NULL ? NULL : TS_STATUS_INFO_get0_status(info);
	const long status = number == NULL ? -1 : ASN1_INTEGER_get(number);
	const STACK_OF(ASN1_UTF8STRING) *texts = info == NULL ? NULL : TS_STATUS_INFO_get0_text(info);
	const ASN1_UTF8STRING *first =
	    texts != NULL && sk_ASN1_UTF8STRING_num(texts) > 0 ? sk_ASN1_UTF8STRING_value(texts, 0) : NULL;
	struct slice words = {NULL, 0};

	if (status == 0 || status == 1)
		return 0;
	if (first != NULL)
		words = slice_of(ASN1_STRING_get0_data(first), (size_t)ASN1_STRING_length(first));
	words.size = words.size > 0 && utf8_valid(words) ? utf8_cut(words, 200) : 0;
	return fault_set(why, FAULT_UNAVAILABLE, "시점확인 기관이 거절했습니다 (상태 %ld): %.*s",
	                 "the time-stamp authority refused (status %ld): %.*s", status, SLICE_PRINT(words));
}

static int
time_read(int64_t *wall_ms, const ASN1_GENERALIZEDTIME *time, struct fault *why)
{
	const char *text = time == NULL ? NULL : (const char *)ASN1_STRING_get0_data(time);
	const int size = time == NULL ? 0 : ASN1_STRING_length(time);
	unsigned milliseconds = 0, weight = 100;
	struct tm parts;

	/* YYYYMMDDhhmmss[.fraction]Z; the fraction is nothing ASN1_TIME_to_tm() gives. */
	if (text == NULL || size < 15 || size > 32 || text[size - 1] != 'Z' ||
	    ASN1_TIME_to_tm(time, &parts) != 1)
		return fault_set(why, FAULT_INVALID, "시점확인 응답의 시각을 읽을 수 없습니다",
		                 "the time-stamp answer's time cannot be read");
	for (int i = 15; text[14] == '.' && i < size - 1; i++) {
		if (text[i] < '0' || text[i] > '9')
			break;
		milliseconds += (unsigned)(text[i] - '0') * weight;
		weight /= 10;
	}
	*wall_ms = (int64_t)timegm(&parts) * 1000 + milliseconds;
	return 0;
}

static int
info_read(struct timestamp *out, TS_RESP *response, struct fault *why)
{
	TS_TST_INFO *info = TS_RESP_get_tst_info(response);
	PKCS7 *token = TS_RESP_get_token(response);
	STACK_OF(X509) *signers = NULL;
	BIGNUM *number;
	char *hex;

	memset(out, 0, sizeof *out);
	if (info == NULL || token == NULL || !PKCS7_type_is_signed(token))
		return fault_set(why, FAULT_INVALID, "시점확인 응답에 토큰이 없습니다",
		                 "the time-stamp answer has no token");
	if (time_read(&out->wall_ms, TS_TST_INFO_get_time(info), why) == -1)
		return -1;
	(void)OBJ_obj2txt(out->policy, (int)sizeof out->policy, TS_TST_INFO_get_policy_id(info), 1);
	number = ASN1_INTEGER_to_BN(TS_TST_INFO_get_serial(info), NULL);
	hex = number == NULL ? NULL : BN_bn2hex(number);
	snprintf(out->serial, sizeof out->serial, "%s", hex == NULL ? "" : hex);
	OPENSSL_free(hex);
	BN_free(number);
	if ((signers = PKCS7_get0_signers(token, NULL, 0)) != NULL && sk_X509_num(signers) > 0)
		X509_NAME_oneline(X509_get_subject_name(sk_X509_value(signers, 0)), out->authority,
		                  (int)sizeof out->authority);
	sk_X509_free(signers);
	for (char *at = out->authority; *at != '\0'; at++)
		if ((unsigned char)*at < 0x20 || (unsigned char)*at > 0x7e)
			*at = '?';
	ERR_clear_error();
	return 0;
}

/* ---- holding it against what is trusted -------------------------------------------------------------------------------- */

static X509_STORE *
store_make(struct slice roots, int64_t wall_ms, struct fault *why)
{
	X509_STORE *store = X509_STORE_new();
	BIO *bio = roots.size > 0 && roots.size <= TIMESTAMP_ROOTS_LIMIT
	               ? BIO_new_mem_buf(roots.data, (int)roots.size)
	               : NULL;
	X509 *certificate;
	int count = 0;

	while (store != NULL && bio != NULL && count <= TIMESTAMP_ROOTS &&
	       (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		count += X509_STORE_add_cert(store, certificate);
		X509_free(certificate);
	}
	BIO_free(bio);
	ERR_clear_error();
	if (count == 0 || count > TIMESTAMP_ROOTS) {
		X509_STORE_free(store);
		fault_set(why, FAULT_INVALID, "시점확인 루트 인증서(PEM)가 없거나 %d개를 넘습니다",
		          "no root certificate (PEM) for time stamps, or more than %d", TIMESTAMP_ROOTS);
		return NULL;
	}
	/* The authority's certificate must have been good when it signed: a token outlives it. */
	X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store), (time_t)(wall_ms / 1000));
	return store;
}

static int
verify(TS_RESP *response, const struct timestamp_question *question, struct slice roots, int64_t wall_ms,
       struct fault *why)
{
	TS_VERIFY_CTX *context = TS_VERIFY_CTX_new();
	TS_REQ *request = TS_REQ_new();
	TS_MSG_IMPRINT *imprint = TS_MSG_IMPRINT_new();
	X509_ALGOR *algorithm = X509_ALGOR_new();
	ASN1_INTEGER *nonce = ASN1_INTEGER_new();
	X509_STORE *store = NULL;
	int result = -1;

	if (!set_parts(request, imprint, algorithm, nonce, question) || context == NULL ||
	    TS_REQ_to_TS_VERIFY_CTX(request, context) == NULL) {
		fault_memory(why);
		goto out;
	}
	/* A question without a nonce is one that was asked long ago: the imprint still binds. */
	if (question->nonce[0] == 0)
		TS_VERIFY_CTX_set_flags(context, TS_VFY_VERSION | TS_VFY_IMPRINT);
	if (roots.size > 0) {
		if ((store = store_make(roots, wall_ms, why)) == NULL)
			goto out;
		TS_VERIFY_CTX_set_store(context, store); /* the context's now */
		TS_VERIFY_CTX_add_flags(context, TS_VFY_SIGNATURE);
	}
	if (TS_RESP_verify_response(context, response) != 1) {
		const unsigned long code = ERR_peek_last_error();
		const char *const reason = ERR_reason_error_string(code), *data = NULL;
		int flags = 0;

		(void)ERR_peek_last_error_data(&data, &flags);
		fault_set(why, FAULT_TAMPERED, "시점확인 토큰이 맞지 않습니다: %s%s%s",
		          "the time-stamp token does not hold: %s%s%s", reason == NULL ? "?" : reason,
		          data != NULL && data[0] != '\0' ? ", " : "",
		          data != NULL && (flags & ERR_TXT_STRING) != 0 ? data : "");
		goto out;
	}
	result = 0;
out:
	ASN1_INTEGER_free(nonce);
	X509_ALGOR_free(algorithm);
	TS_MSG_IMPRINT_free(imprint);
	TS_REQ_free(request);
	TS_VERIFY_CTX_free(context);
	ERR_clear_error();
	return result;
}

int
timestamp_answer_check(struct timestamp *out, struct slice answer, const struct timestamp_question *question,
                       struct slice roots, struct fault *why)
{
	TS_RESP *response = response_read(answer, why);
	int result = -1;

	memset(out, 0, sizeof *out);
	if (response != NULL && status_check(response, why) == 0 && info_read(out, response, why) == 0)
		result = verify(response, question, roots, out->wall_ms, why);
	TS_RESP_free(response);
	ERR_clear_error();
	return result;
}

int
timestamp_check(struct timestamp *out, struct slice answer, struct slice document, struct slice roots,
                struct fault *why)
{
	struct timestamp_question question = {.nonce = {0}};

	crypto_hash_sha256(question.digest, document.data, document.size);
	return timestamp_answer_check(out, answer, &question, roots, why);
}
