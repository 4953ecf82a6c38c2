/* Whatever the lines are, each is answered by one line of JSON with an id, and places lie within the text. */
#include <stdio.h>
#include <stdlib.h>

#include "gateway/commands/classify_lines.h"
#include "schema/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct classifier *classifier;

static void
check(struct slice answer, bool good)
{
	struct fault why;
	json_t *line;

	if (answer.size < 2 || answer.data[answer.size - 1] != '\n' ||
	    (line = json_read(answer, (size_t)64 << 20, JSON_DEPTH_LIMIT, &why)) == NULL)
		abort();
	if (json_object_get(line, "id") == NULL || (json_object_get(line, "error") == NULL) != good ||
	    json_is_boolean(json_object_get(line, "high_impact")) != good)
		abort();
	json_decref(line);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice line, answer;
	size_t number = 0;
	struct fault why;
	bool too_long;
	FILE *from;

	if (classifier == NULL && classifier_open(&classifier, &why) == -1)
		abort();
	if (size == 0 || (from = fmemopen((void *)(uintptr_t)data, size, "rb")) == NULL)
		return 0;
	while (classifier_read(classifier, from, &line, &too_long)) {
		int result = classifier_answer(classifier, line, too_long, ++number, &answer, &why);

		check(answer, result == 0);
	}
	fclose(from);
	return 0;
}
