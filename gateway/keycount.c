#include "gateway/keycount.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/config.h"
#include "gateway/gateway.h"

#define COUNT_FILE "erasures"
#define FILE_LIMIT 32

/* 0 when there is no such file yet. */
static int
count_read(char path[PATH_MAX], uint64_t *count, struct gateway *gateway, struct fault *why)
{
	struct snapshots *const snapshots = gateway_hold(gateway);
	struct buffer text = {0};
	const char *digits;
	char *end;
	int result = -1;

	*count = 0;
	if (snapshots == NULL)
		return fault_set(why, FAULT_UNAVAILABLE, "아직 준비되지 않았습니다", "not ready yet");
	result = snprintf(path, PATH_MAX, "%s/" COUNT_FILE, snapshots->config->ledger.directory) < PATH_MAX
	             ? 0
	             : fault_set(why, FAULT_INVALID, "경로가 너무 깁니다", "the path is too long");
	snapshots_release(snapshots);
	if (result == -1 || (access(path, F_OK) == -1 && errno == ENOENT))
		return result;
	if (file_read(&text, path, FILE_LIMIT, why) == -1)
		return -1;
	digits = buffer_text(&text);
	*count = digits == NULL ? 0 : strtoull(digits, &end, 10);
	result = digits != NULL && end != digits && *end == '\n'
	             ? 0
	             : fault_set(why, FAULT_TAMPERED, "%s이(가) 손상되었습니다", "%s is damaged", path);
	buffer_free(&text);
	return result;
}

int
keycount_write(struct gateway *gateway, uint64_t count, struct fault *why)
{
	char path[PATH_MAX], text[FILE_LIMIT];
	uint64_t before;

	if (count_read(path, &before, gateway, why) == -1)
		return -1;
	if (count <= before)
		return 0;
	snprintf(text, sizeof text, "%" PRIu64 "\n", count);
	return file_replace(path, slice_string(text), 0600, why);
}

int
keycount_check(struct gateway *gateway, struct fault *why)
{
	uint64_t there, wanted;
	char path[PATH_MAX];

	if (count_read(path, &wanted, gateway, why) == -1 ||
	    sealer_count(gateway->sealer, &there, false, why) == -1)
		return -1;
	return there >= wanted
	           ? 0
	           : fault_set(
	                 why, FAULT_TAMPERED,
	                 "내용 키가 옛 사본입니다: 파기 명령이 %" PRIu64 "번 있었는데 %" PRIu64
	                 "번만 겪었습니다. 그 뒤에 파기한 내용이 다시 열릴 수 있으니, 새 키 폴더를 되돌려 "
	                 "놓거나 haechi audit query --kind shred 를 보고 다시 파기하십시오",
	                 "the content keys are an old copy: there were %" PRIu64
	                 " orders to erase, and they have seen %" PRIu64
	                 ". What was erased since may open again: restore the newer key folder, or erase "
	                 "it again (see haechi audit query --kind shred)",
	                 wanted, there);
}
