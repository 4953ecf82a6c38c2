#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "gateway/engine.h"
#include "gateway/listen.h"

static int
address_fault(struct fault *why, const char *text)
{
	return fault_set(why, FAULT_INVALID,
	                 "엔진 주소는 'unix:/경로', 'http://127.0.0.1:포트[/앞부분]', "
	                 "'https://이름[:포트][/앞부분]' 꼴이어야 합니다: %s",
	                 "an engine address is 'unix:/PATH', 'http://127.0.0.1:PORT[/BASE]' or "
	                 "'https://HOST[:PORT][/BASE]': %s",
	                 text);
}

static int
address_unix(struct engine_address *out, const char *path, struct fault *why)
{
	struct sockaddr_un *address = (struct sockaddr_un *)(void *)&out->socket;

	if (path[0] != '/' || strlen(path) >= sizeof address->sun_path)
		return address_fault(why, out->text);
	out->kind = ENGINE_UNIX;
	address->sun_family = AF_UNIX;
	snprintf(address->sun_path, sizeof address->sun_path, "%s", path);
	out->socket_size = sizeof *address;
	snprintf(out->host, sizeof out->host, "localhost");
	return 0;
}

/* "host[:port][/base]" behind the "//". */
static int
address_split(struct engine_address *out, const char *text, struct fault *why)
{
	size_t host = strcspn(text, "/"), base;
	const char *rest = text + host;

	for (base = strlen(rest); base > 0 && rest[base - 1] == '/'; base--)
		;
	if (host == 0 || host >= sizeof out->host || base >= sizeof out->base)
		return address_fault(why, out->text);
	for (const char *p = text; *p != '\0'; p++)
		if (*p <= ' ' || *p >= 0x7f || *p == '?' || *p == '#' || *p == '@' || *p == '\\')
			return address_fault(why, out->text);
	memcpy(out->host, text, host);
	memcpy(out->base, rest, base);
	return 0;
}

int
engine_address_parse(struct engine_address *out, const char *text, struct fault *why)
{
	memset(out, 0, sizeof *out);
	out->connect_ms = 2000;
	out->first_byte_ms = 120000;
	out->idle_ms = 60000;
	out->total_ms = 600000;
	out->connections = 256;
	out->answer_size = (size_t)16 << 20;
	if ((size_t)snprintf(out->text, sizeof out->text, "%s", text) >= sizeof out->text)
		return address_fault(why, "...");
	if (strncmp(text, "unix:", 5) == 0)
		return address_unix(out, text + 5, why);
	if (strncmp(text, "http://", 7) == 0) {
		if (address_split(out, text + 7, why) == -1)
			return -1;
		out->kind = ENGINE_TCP;
		if (!address_parse(&out->socket, &out->socket_size, out->host))
			return address_fault(why, text);
		return 0;
	}
	if (strncmp(text, "https://", 8) == 0) {
		out->kind = ENGINE_REMOTE;
		return address_split(out, text + 8, why);
	}
	return address_fault(why, text);
}
