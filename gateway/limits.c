#include "gateway/limits.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

void
limits_default(struct limits *limits)
{
	*limits = (struct limits){
	    .line_size = 8192,
	    .head_size = 16384,
	    .field_count = LIMITS_FIELDS,
	    .body_size = (size_t)4 << 20,
	    .messages = 256,
	    .depth = 32,
	    .tls_ms = 10000,
	    .head_ms = 10000,
	    .body_ms = 30000,
	    .idle_ms = 75000,
	    .send_ms = 30000,
	    .linger_ms = 2000,
	    .half_ms = 2000,
	    .connections = 4096,
	    .connections_per_address = 1024,
	    .requests_per_connection = 100000,
	};
}

int
limits_check(const struct limits *limits, struct fault *why)
{
	const struct {
		const char *name;
		size_t value, least, most;
	} rows[] = {
	    {"line_size",               limits->line_size,               256, 65536            },
	    {"head_size",               limits->head_size,               512, 65536            },
	    {"field_count",             limits->field_count,             8,   LIMITS_FIELDS    },
	    {"body_size",               limits->body_size,               1,   (size_t)256 << 20},
	    {"messages",                limits->messages,                1,   1 << 20          },
	    {"depth",                   limits->depth,                   4,   64               },
	    {"tls_ms",                  limits->tls_ms,                  10,  3600000          },
	    {"head_ms",                 limits->head_ms,                 10,  3600000          },
	    {"body_ms",                 limits->body_ms,                 10,  3600000          },
	    {"idle_ms",                 limits->idle_ms,                 10,  3600000          },
	    {"send_ms",                 limits->send_ms,                 10,  3600000          },
	    {"linger_ms",               limits->linger_ms,               0,   60000            },
	    {"half_ms",                 limits->half_ms,                 0,   3600000          },
	    {"connections",             limits->connections,             1,   1 << 20          },
	    {"connections_per_address", limits->connections_per_address, 1,   1 << 20          },
	    {"requests_per_connection", limits->requests_per_connection, 1,   UINT32_MAX       },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].value < rows[i].least || rows[i].value > rows[i].most)
			return fault_set(why, FAULT_INVALID,
			                 "limits.%s: %zu 은(는) %zu 에서 %zu 사이여야 합니다",
			                 "limits.%s: %zu must be between %zu and %zu", rows[i].name,
			                 rows[i].value, rows[i].least, rows[i].most);
	if (limits->line_size > limits->head_size)
		return fault_set(why, FAULT_INVALID,
		                 "limits.line_size 는 limits.head_size 보다 클 수 없습니다",
		                 "limits.line_size must not exceed limits.head_size");
	return 0;
}

#define ADDRESS_ROWS ((size_t)1024) /* at least; a power of two */

/* Open addressing with linear probing; a row whose count is 0 ends no probe unless it was never used. */
struct address_row {
	uint8_t key[16];
	unsigned count;
	bool used;
};

struct address_count {
	pthread_mutex_t lock;
	unsigned most;
	size_t used, size; /* size is a power of two */
	struct address_row *rows;
};

struct address_count *
address_count_new(unsigned most)
{
	struct address_count *count = calloc(1, sizeof *count);

	if (count == NULL)
		return NULL;
	count->most = most;
	count->size = ADDRESS_ROWS;
	if ((count->rows = calloc(count->size, sizeof *count->rows)) == NULL) {
		free(count);
		return NULL;
	}
	pthread_mutex_init(&count->lock, NULL);
	return count;
}

void
address_count_free(struct address_count *count)
{
	if (count == NULL)
		return;
	pthread_mutex_destroy(&count->lock);
	free(count->rows);
	free(count);
}

/* false: an address that is not counted (a Unix socket). */
static bool
address_key(uint8_t key[16], const struct sockaddr *address)
{
	memset(key, 0, 16);
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;

		key[10] = key[11] = 0xff;
		memcpy(key + 12, &in->sin_addr, 4);
		return true;
	}
	if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;

		/* One subscriber has a /64; a mapped IPv4 address counts as itself. */
		memcpy(key, &in6->sin6_addr, IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) ? 16 : 8);
		return true;
	}
	return false;
}

static struct address_row *
address_row(struct address_row *rows, size_t size, const uint8_t key[16])
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < 16; i++)
		hash = (hash ^ key[i]) * UINT64_C(1099511628211);
	for (size_t at = (size_t)(hash ^ hash >> 32) & (size - 1);; at = (at + 1) & (size - 1))
		if (!rows[at].used || memcmp(rows[at].key, key, 16) == 0)
			return &rows[at];
}

/* Addresses that left are dropped; doubled when what is left fills more than a quarter. */
static bool
address_grow(struct address_count *count)
{
	size_t live = 0, size = count->size;
	struct address_row *rows;

	for (size_t i = 0; i < count->size; i++)
		live += count->rows[i].count > 0;
	if (live * 4 > size)
		size *= 2;
	if (size < ADDRESS_ROWS)
		size = ADDRESS_ROWS;
	if ((rows = calloc(size, sizeof *rows)) == NULL)
		return false;
	for (size_t i = 0; i < count->size; i++)
		if (count->rows[i].count > 0)
			*address_row(rows, size, count->rows[i].key) = count->rows[i];
	free(count->rows);
	count->rows = rows;
	count->size = size;
	count->used = live;
	return true;
}

bool
address_count_enter(struct address_count *count, const struct sockaddr *address)
{
	struct address_row *row;
	uint8_t key[16];
	bool good = false;

	if (!address_key(key, address))
		return true;
	pthread_mutex_lock(&count->lock);
	if (count->used * 2 >= count->size && !address_grow(count))
		goto out;
	row = address_row(count->rows, count->size, key);
	if (!row->used) {
		memcpy(row->key, key, 16);
		row->used = true;
		count->used++;
	}
	if (row->count < count->most) {
		row->count++;
		good = true;
	}
out:
	pthread_mutex_unlock(&count->lock);
	return good;
}

void
address_count_leave(struct address_count *count, const struct sockaddr *address)
{
	struct address_row *row;
	uint8_t key[16];

	if (!address_key(key, address))
		return;
	pthread_mutex_lock(&count->lock);
	row = address_row(count->rows, count->size, key);
	if (row->used && row->count > 0)
		row->count--;
	pthread_mutex_unlock(&count->lock);
}
