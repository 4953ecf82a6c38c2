#include "gateway/config_outside.h"

#include <stdlib.h>

#include "audit/quorum.h"
#include "audit/timestamp.h"
#include "gateway/remote.h"

static void
seconds_default(uint32_t *number, uint32_t value)
{
	if (*number == 0)
		*number = value;
}

static int
understand_seconds(const char *where, uint32_t *interval, uint32_t *deadline, uint32_t usual,
                   struct fault *why)
{
	seconds_default(interval, usual);
	seconds_default(deadline, 10);
	if (*interval > 7 * 86400 || *deadline > 120)
		return fault_set(why, FAULT_INVALID,
		                 "%s: interval_seconds는 604800, deadline_seconds는 120까지입니다",
		                 "%s: interval_seconds is 604800 at most, deadline_seconds 120", where);
	return 0;
}

static int
understand_witness(struct config_witness *witness, struct fault *why)
{
	size_t asked = 0;

	if (understand_seconds("witness", &witness->interval_seconds, &witness->deadline_seconds, 60, why) ==
	    -1)
		return -1;
	if (quorum_load(&witness->quorum, witness->policy, why) == -1)
		return fault_prefix(why, "witness", "witness");
	for (size_t i = 0; i < witness->quorum->witness_count; i++) {
		uint16_t port;
		bool numeric;

		if (witness->quorum->witnesses[i].url[0] == '\0')
			continue;
		asked++;
		if (remote_url_check(witness->quorum->witnesses[i].url, &port, &numeric, why) == -1)
			return fault_prefix(why, "witness: %s", "witness: %s", witness->policy);
	}
	if (asked == 0)
		return fault_set(why, FAULT_INVALID, "witness: %s: URL이 있는 증인이 없습니다",
		                 "witness: %s: no witness has a URL", witness->policy);
	return 0;
}

static int
understand_timestamp(struct config_timestamp *timestamp, struct fault *why)
{
	uint16_t port;
	bool numeric;

	if (understand_seconds("timestamp", &timestamp->interval_seconds, &timestamp->deadline_seconds, 3600,
	                       why) == -1)
		return -1;
	seconds_default(&timestamp->skew_seconds, 300);
	if (remote_url_check(timestamp->url, &port, &numeric, why) == -1)
		return fault_prefix(why, "timestamp", "timestamp");
	if ((timestamp->roots_pem = calloc(1, sizeof *timestamp->roots_pem)) == NULL)
		return fault_memory(why);
	if (file_read(timestamp->roots_pem, timestamp->roots, TIMESTAMP_ROOTS_LIMIT, why) == -1)
		return fault_prefix(why, "timestamp: roots", "timestamp: roots");
	return 0;
}

int
config_outside_understand(struct config *config, struct fault *why)
{
	if (config->witness != NULL && understand_witness(config->witness, why) == -1)
		return -1;
	return config->timestamp != NULL ? understand_timestamp(config->timestamp, why) : 0;
}

void
config_outside_release(struct config *config)
{
	if (config->witness != NULL)
		free(config->witness->quorum);
	if (config->timestamp != NULL) {
		buffer_free(config->timestamp->roots_pem);
		free(config->timestamp->roots_pem);
	}
}
