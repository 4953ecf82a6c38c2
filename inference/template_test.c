/* template_test -- the tests: value is name(arguments). */
#include <string.h>

#include "inference/template_inside.h"

enum test {
	TEST_BOOLEAN,
	TEST_CALLABLE,
	TEST_DEFINED,
	TEST_DIVISIBLE,
	TEST_EQUAL,
	TEST_EVEN,
	TEST_FALSE,
	TEST_FILTER,
	TEST_FLOAT,
	TEST_GREATER_EQUAL,
	TEST_GREATER,
	TEST_IN,
	TEST_INTEGER,
	TEST_ITERABLE,
	TEST_LESS_EQUAL,
	TEST_LOWER,
	TEST_LESS,
	TEST_MAPPING,
	TEST_DIFFERENT,
	TEST_NONE,
	TEST_NUMBER,
	TEST_ODD,
	TEST_SAME,
	TEST_SEQUENCE,
	TEST_STRING,
	TEST_TEST,
	TEST_TRUE,
	TEST_UNDEFINED,
	TEST_UPPER,
};

static const struct {
	const char *name;
	enum test test;
} tests[] = {
    {"!=",          TEST_DIFFERENT    },
    {"<",           TEST_LESS         },
    {"<=",          TEST_LESS_EQUAL   },
    {"==",          TEST_EQUAL        },
    {">",           TEST_GREATER      },
    {">=",          TEST_GREATER_EQUAL},
    {"boolean",     TEST_BOOLEAN      },
    {"callable",    TEST_CALLABLE     },
    {"defined",     TEST_DEFINED      },
    {"divisibleby", TEST_DIVISIBLE    },
    {"eq",          TEST_EQUAL        },
    {"equalto",     TEST_EQUAL        },
    {"even",        TEST_EVEN         },
    {"false",       TEST_FALSE        },
    {"filter",      TEST_FILTER       },
    {"float",       TEST_FLOAT        },
    {"ge",          TEST_GREATER_EQUAL},
    {"greaterthan", TEST_GREATER      },
    {"gt",          TEST_GREATER      },
    {"in",          TEST_IN           },
    {"integer",     TEST_INTEGER      },
    {"iterable",    TEST_ITERABLE     },
    {"le",          TEST_LESS_EQUAL   },
    {"lessthan",    TEST_LESS         },
    {"lower",       TEST_LOWER        },
    {"lt",          TEST_LESS         },
    {"mapping",     TEST_MAPPING      },
    {"ne",          TEST_DIFFERENT    },
    {"none",        TEST_NONE         },
    {"number",      TEST_NUMBER       },
    {"odd",         TEST_ODD          },
    {"sameas",      TEST_SAME         },
    {"sequence",    TEST_SEQUENCE     },
    {"string",      TEST_STRING       },
    {"test",        TEST_TEST         },
    {"true",        TEST_TRUE         },
    {"undefined",   TEST_UNDEFINED    },
    {"upper",       TEST_UPPER        },
};

int
test_find(struct slice name)
{
	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
		if (slice_is(name, tests[i].name))
			return (int)i;
	return -1;
}

static int
same_case(struct run *run, const struct value *value, const char *method, bool *out)
{
	struct arguments none = {0};
	struct value found = value_flag(false);
	bool known;

	if (value->kind == VALUE_TEXT &&
	    method_call(run, value, slice_string(method), &none, &found, &known) == -1)
		return -1;
	*out = value_true(&found);
	return 0;
}

/* Tests that compare with an argument. */
static int
compare_with(struct run *run, enum test test, const struct value *value, const struct value *other, bool *out)
{
	int64_t whole, by;
	int order;

	if (other == NULL)
		return run_wrong(run, "시험에 인수가 없습니다", "a test lacks its argument");
	switch (test) {
	case TEST_EQUAL:
	case TEST_DIFFERENT:
		*out = value_equal(value, other, 0) == (test == TEST_EQUAL);
		return 0;
	case TEST_SAME:
		*out = value->kind == other->kind && value_equal(value, other, 0);
		return 0;
	case TEST_IN:
		return value_contains(run, other, value, out);
	case TEST_DIVISIBLE:
		if (!value_whole(value, &whole) || !value_whole(other, &by) || by == 0)
			return run_wrong(run, "divisibleby에는 0이 아닌 정수가 필요합니다",
			                 "divisibleby needs integers that are not 0");
		*out = by == -1 || whole % by == 0;
		return 0;
	default:
		if (value_compare(run, value, other, &order) == -1)
			return -1;
		*out = test == TEST_LESS         ? order < 0
		       : test == TEST_LESS_EQUAL ? order <= 0
		       : test == TEST_GREATER    ? order > 0
		                                 : order >= 0;
		return 0;
	}
}

int
test_apply(struct run *run, int number, const struct value *value, const struct arguments *arguments,
           bool *out)
{
	enum value_kind kind = value->kind;
	int64_t whole = 0;

	if (run_work(run, 0) == -1)
		return -1;
	switch (tests[number].test) {
	case TEST_BOOLEAN:
		*out = kind == VALUE_BOOL;
		return 0;
	case TEST_CALLABLE:
		*out = kind == VALUE_MACRO || kind == VALUE_BUILTIN;
		return 0;
	case TEST_DEFINED:
		*out = kind != VALUE_UNDEFINED;
		return 0;
	case TEST_UNDEFINED:
		*out = kind == VALUE_UNDEFINED;
		return 0;
	case TEST_EVEN:
	case TEST_ODD:
		if (!value_whole(value, &whole))
			return run_wrong(run, "even/odd에는 정수가 필요합니다",
			                 "even and odd need an integer");
		*out = (whole % 2 != 0) == (tests[number].test == TEST_ODD);
		return 0;
	case TEST_TRUE:
	case TEST_FALSE:
		*out = kind == VALUE_BOOL && value->flag == (tests[number].test == TEST_TRUE);
		return 0;
	case TEST_FILTER:
		*out = kind == VALUE_TEXT && filter_find(text_slice(value->text)) != -1;
		return 0;
	case TEST_TEST:
		*out = kind == VALUE_TEXT && test_find(text_slice(value->text)) != -1;
		return 0;
	case TEST_FLOAT:
		*out = kind == VALUE_REAL;
		return 0;
	case TEST_INTEGER:
		*out = kind == VALUE_INTEGER;
		return 0;
	case TEST_NUMBER:
		*out = kind == VALUE_INTEGER || kind == VALUE_REAL || kind == VALUE_BOOL;
		return 0;
	case TEST_ITERABLE: /* an undefined value goes through nothing */
		*out =
		    kind == VALUE_TEXT || kind == VALUE_LIST || kind == VALUE_MAP || kind == VALUE_UNDEFINED;
		return 0;
	case TEST_SEQUENCE:
		*out =
		    kind == VALUE_TEXT || kind == VALUE_LIST || kind == VALUE_MAP || kind == VALUE_UNDEFINED;
		return 0;
	case TEST_MAPPING:
		*out = kind == VALUE_MAP && !value->map->namespace;
		return 0;
	case TEST_NONE:
		*out = kind == VALUE_NONE;
		return 0;
	case TEST_STRING:
		*out = kind == VALUE_TEXT;
		return 0;
	case TEST_LOWER:
		return same_case(run, value, "islower", out);
	case TEST_UPPER:
		return same_case(run, value, "isupper", out);
	default:
		return compare_with(run, tests[number].test, value, argument(arguments, 0, NULL), out);
	}
}
