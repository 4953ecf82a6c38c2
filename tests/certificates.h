/*
 * certificates -- for tests of TLS: key and certificate of one hour, as PEM files in a folder of the test.
 */
#ifndef HAECHI_TESTS_CERTIFICATES_H
#define HAECHI_TESTS_CERTIFICATES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

struct pair {
	EVP_PKEY *key;
	X509 *certificate;
	char key_file[128], certificate_file[128];
};

static void
pair_make(struct pair *pair, const char *folder, const char *name, const struct pair *issuer)
{
	X509_NAME *subject;
	FILE *file;

	pair->key = EVP_EC_gen("P-256");
	pair->certificate = X509_new();
	X509_set_version(pair->certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(pair->certificate), (long)(name[0] * 256 + name[1]));
	X509_gmtime_adj(X509_getm_notBefore(pair->certificate), -60);
	X509_gmtime_adj(X509_getm_notAfter(pair->certificate), 3600);
	subject = X509_get_subject_name(pair->certificate);
	X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8, (const unsigned char *)"서울특별시", -1, -1,
	                           0);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(pair->certificate,
	                     X509_get_subject_name((issuer == NULL ? pair : issuer)->certificate));
	X509_set_pubkey(pair->certificate, pair->key);
	if (issuer == NULL) {
		X509_EXTENSION *basic =
		    X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");

		X509_add_ext(pair->certificate, basic, -1);
		X509_EXTENSION_free(basic);
	}
	if (issuer != NULL) { /* for those who look at the name: this machine */
		X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");

		X509_add_ext(pair->certificate, names, -1);
		X509_EXTENSION_free(names);
	}
	assert_true(X509_sign(pair->certificate, (issuer == NULL ? pair : issuer)->key, EVP_sha256()) > 0);
	snprintf(pair->key_file, sizeof pair->key_file, "%s/%s.key", folder, name);
	snprintf(pair->certificate_file, sizeof pair->certificate_file, "%s/%s.pem", folder, name);
	file = fopen(pair->key_file, "w");
	PEM_write_PrivateKey(file, pair->key, NULL, NULL, 0, NULL, NULL);
	fclose(file);
	file = fopen(pair->certificate_file, "w");
	PEM_write_X509(file, pair->certificate);
	fclose(file);
}

static void
pair_drop(struct pair *pair)
{
	unlink(pair->key_file);
	unlink(pair->certificate_file);
	EVP_PKEY_free(pair->key);
	X509_free(pair->certificate);
}

#endif
