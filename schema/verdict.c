#include "schema/verdict.h"

#include <string.h>

const struct oversight_limits oversight_defaults = {
    .decisions = 50, .least_changed = 20, .hasty_ms = 5000, .most_hasty = 500};

/* clang-format off */
static const struct {
	const char *name, *title;
} verdicts[] = {
	[VERDICT_UNDETERMINED]    = { "UNDETERMINED",    "판단할 수 없음" },
	[VERDICT_HIGH_IMPACT]     = { "HIGH_IMPACT",     "고영향" },
	[VERDICT_NOT_HIGH_IMPACT] = { "NOT_HIGH_IMPACT", "비고영향" },
	[VERDICT_EXCLUDED]        = { "EXCLUDED",        "적용 제외" },
};
/* clang-format on */

#define VERDICTS (sizeof verdicts / sizeof *verdicts)

const char *
verdict_name(enum verdict verdict)
{
	return verdicts[(unsigned)verdict < VERDICTS ? verdict : VERDICT_UNDETERMINED].name;
}

const char *
verdict_title(enum verdict verdict)
{
	return verdicts[(unsigned)verdict < VERDICTS ? verdict : VERDICT_UNDETERMINED].title;
}

bool
verdict_parse(enum verdict *verdict, const char *name)
{
	for (unsigned i = 0; name != NULL && i < VERDICTS; i++) {
		if (strcmp(verdicts[i].name, name) == 0) {
			*verdict = (enum verdict)i;
			return true;
		}
	}
	return false;
}
