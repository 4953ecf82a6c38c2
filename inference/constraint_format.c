/*
 * Formats as patterns: RFC 3339 dates that the calendar has, addresses as they are usually written. A pattern may let
 * through less than the format would, never more.
 */
#include <string.h>

#include "inference/constraint_inside.h"

/* 1000-2999; the 29th of February in leap years. */
#define YEAR "[12]\\d{3}"
#define LEAP "(?:[12]\\d(?:0[48]|[2468][048]|[13579][26])|(?:1[26]|2[048])00)"
#define DATE                                                                                                 \
	"(?:" YEAR "-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|"    \
	"02-(?:0[1-9]|1\\d|2[0-8]))|" LEAP "-02-29)"
#define TIME  "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,6})?(?:Z|[+-](?:0\\d|1[0-3]):[0-5]\\d)"
#define BYTE  "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
#define LABEL "[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?"
#define HOST  LABEL "(?:\\." LABEL "){1,4}"

const char *
constraint_format(const char *name)
{
	static const struct {
		const char *name, *pattern;
	} formats[] = {
	    {"date",      "^" DATE "$"	                                                                },
	    {"time",      "^" TIME "$"	                                                                },
	    {"date-time", "^" DATE "T" TIME "$"	                                                       },
	    {"duration",
	     "^P(?:\\d{1,6}W|(?:\\d{1,6}Y(?:\\d{1,6}M(?:\\d{1,6}D)?)?|\\d{1,6}M(?:\\d{1,6}D)?|\\d{1,6}D)"
	     "(?:T(?:\\d{1,6}H(?:\\d{1,6}M(?:\\d{1,6}S)?)?|\\d{1,6}M(?:\\d{1,6}S)?|\\d{1,6}S))?|"
	     "T(?:\\d{1,6}H(?:\\d{1,6}M(?:\\d{1,6}S)?)?|\\d{1,6}M(?:\\d{1,6}S)?|\\d{1,6}S))$"                 },
	    {"email",     "^[a-z0-9](?:[a-z0-9_+-]|\\.[a-z0-9]){0,40}@" HOST "$"                              },
	    {"hostname",  "^" HOST "$"	                                                                },
	    {"ipv4",      "^" BYTE "(?:\\." BYTE "){3}$"	                                              },
	    {"ipv6",      "^(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}$"                                              },
	    {"uuid",      "^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$"                                     },
	    {"uri",       "^https?://" HOST "(?:/[A-Za-z0-9._~-]{0,60}){0,8}(?:\\?[A-Za-z0-9._~=&-]{1,120})?$"},
 /* what describes a text without restricting it */
	    {"password",  ""	                                                                          },
	    {"multiline", ""	                                                                          },
	    {"textarea",  ""	                                                                          },
	    {"string",    ""	                                                                          },
	    {"text",      ""	                                                                          },
	};

	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
		if (strcmp(formats[i].name, name) == 0)
			return formats[i].pattern;
	return NULL;
}
