/*
 * subject -- who asks: a service of an agency, by an API key or a client certificate, perhaps for a person.
 * An unknown caller is `nobody` (known == false), whom the policy denies.
 */
#ifndef HAECHI_SCHEMA_SUBJECT_H
#define HAECHI_SCHEMA_SUBJECT_H

#include <stdbool.h>
#include <stddef.h>

struct subject {
	bool         known;
	const char  *agency;  /* "seoul" */
	const char  *service; /* "minwon-chatbot" */
	const char  *key_id;  /* public part of the API key, or the certificate's fingerprint */
	const char  *person;  /* pseudonym of the end user: keyed hash of the OpenAI `user` field; "" when absent */
	const char **roles;   /* "reviewer", "auditor", ... */
	size_t       role_count;
	const char **usecases; /* ids the key is bound to; the first is the default */
	size_t       usecase_count;
};

#endif
