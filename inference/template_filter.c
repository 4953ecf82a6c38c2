/* template_filter -- the filters: value | name(arguments). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "inference/template_inside.h"

typedef int filter(struct run *run, const struct value *value, const struct arguments *arguments,
                   struct value *out);

static int
bad(struct run *run, const char *name)
{
	return run_wrong(run, "필터 '%s'의 인수가 올바르지 않습니다", "filter '%s' was given bad arguments",
	                 name);
}

static bool
flag_of(const struct arguments *arguments, size_t position, const char *name, bool fallback)
{
	const struct value *value = argument(arguments, position, name);

	return value != NULL ? value_true(value) : fallback;
}

static const struct text *
text_of(const struct arguments *arguments, size_t position, const char *name)
{
	const struct value *value = argument(arguments, position, name);

	return value != NULL && value->kind == VALUE_TEXT ? &value->text : NULL;
}

static struct value
as_list(const struct list *list)
{
	return (struct value){.kind = VALUE_LIST, .list = list};
}

/* ---- numbers ---------------------------------------------------------------------------------------------------- */

static int
filter_abs(struct run *run, const struct value *value, const struct arguments *arguments, struct value *out)
{
	int64_t whole;
	double real;

	(void)arguments;
	if (value_whole(value, &whole) && whole != INT64_MIN)
		*out = value_integer(whole < 0 ? -whole : whole);
	else if (value_number(value, &real))
		*out = value_real(fabs(real));
	else
		return bad(run, "abs");
	return 0;
}

/* A number out of a string; false: it holds none. */
static bool
text_number(struct text text, double *out)
{
	char digits[64], *end;
	struct text bare = text_strip(text, STRIP_BOTH, NULL);

	if (bare.size == 0 || bare.size >= sizeof digits)
		return false;
	memcpy(digits, bare.data, bare.size);
	digits[bare.size] = '\0';
	if (strspn(digits, "+-0123456789.eE") != bare.size)
		return false;
	*out = strtod(digits, &end);
	return *end == '\0';
}

static int
filter_int(struct run *run, const struct value *value, const struct arguments *arguments, struct value *out)
{
	const struct value *other = argument(arguments, 0, "default");
	double real = 0;

	(void)run;
	if (value_whole(value, &out->integer)) {
		*out = value_integer(out->integer);
		return 0;
	}
	if ((value_number(value, &real) || (value->kind == VALUE_TEXT && text_number(value->text, &real))) &&
	    fabs(real) < 9e18)
		*out = value_integer((int64_t)real);
	else
		*out = other != NULL ? *other : value_integer(0);
	return 0;
}

static int
filter_float(struct run *run, const struct value *value, const struct arguments *arguments, struct value *out)
{
	const struct value *other = argument(arguments, 0, "default");
	double real = 0;

	(void)run;
	if (value_number(value, &real) || (value->kind == VALUE_TEXT && text_number(value->text, &real)))
		*out = value_real(real);
	else
		*out = other != NULL ? *other : value_real(0);
	return 0;
}

static int
filter_round(struct run *run, const struct value *value, const struct arguments *arguments, struct value *out)
{
	const struct value *digits = argument(arguments, 0, "precision");
	const struct text *method = text_of(arguments, 1, "method");
	int64_t precision = 0;
	double real, power;

	if (!value_number(value, &real) || (digits != NULL && !value_whole(digits, &precision)) ||
	    precision < -15 || precision > 15)
		return bad(run, "round");
	power = pow(10, (double)precision);
	if (method != NULL && slice_is(text_slice(*method), "ceil"))
		real = ceil(real * power) / power;
	else if (method != NULL && slice_is(text_slice(*method), "floor"))
		real = floor(real * power) / power;
	else
		real = rint(real * power) / power;
	*out = value_real(real);
	return 0;
}

/* ---- strings ---------------------------------------------------------------------------------------------------- */

static int
with_case(struct run *run, const struct value *value, char how, struct value *out)
{
	struct text text;

	return value_as_text(run, value, &text) == -1 ? -1 : text_case(run, text, how, out);
}

static int
filter_upper(struct run *run, const struct value *value, const struct arguments *arguments, struct value *out)
{
	(void)arguments;
	return with_case(run, value, 'u', out);
}

static int
filter_lower(struct run *run, const struct value *value, const struct arguments *arguments, struct value *out)
{
	(void)arguments;
	return with_case(run, value, 'l', out);
}

static int
filter_title(struct run *run, const struct value *value, const struct arguments *arguments, struct value *out)
{
	(void)arguments;
	return with_case(run, value, 't', out);
}

static int
filter_capitalize(struct run *run, const struct value *value, const struct arguments *arguments,
                  struct value *out)
{
	(void)arguments;
	return with_case(run, value, 'c', out);
}

static int
filter_trim(struct run *run, const struct value *value, const struct arguments *arguments, struct value *out)
{
	struct text text;

	if (value_as_text(run, value, &text) == -1)
		return -1;
	*out = value_text(text_strip(text, STRIP_BOTH, text_of(arguments, 0, "chars")));
	return run_work(run, text.size);
}

static int
filter_replace(struct run *run, const struct value *value, const struct arguments *arguments,
               struct value *out)
{
	const struct text *old = text_of(arguments, 0, "old"), *new = text_of(arguments, 1, "new");
	const struct value *count = argument(arguments, 2, "count");
	int64_t most = -1;
	struct text text;

	if (old == NULL || new == NULL ||
	    (count != NULL && count->kind != VALUE_NONE && !value_whole(count, &most)))
		return bad(run, "replace");
	return value_as_text(run, value, &text) == -1 ? -1 : text_replace(run, text, *old, *new, most, out);
}

static int
filter_string(struct run *run, const struct value *value, const struct arguments *arguments,
              struct value *out)
{
	struct text text;

	(void)arguments;
	if (value_as_text(run, value, &text) == -1)
		return -1;
	*out = value_text(text);
	return 0;
}

/* Every line but the first (and blank ones) moved to the right. */
static int
filter_indent(struct run *run, const struct value *value, const struct arguments *arguments,
              struct value *out)
{
	const struct value *wide = argument(arguments, 0, "width");
	bool first = flag_of(arguments, 1, "first", false), blank = flag_of(arguments, 2, "blank", false);
	int64_t width = 4;
	struct text text, by = text_ours(SLICE_LITERAL(""));
	struct writer writer;
	size_t start = 0;

	if (wide != NULL && wide->kind == VALUE_TEXT)
		by = wide->text;
	else if (wide != NULL && (!value_whole(wide, &width) || width < 0 || width > 256))
		return bad(run, "indent");
	if (value_as_text(run, value, &text) == -1)
		return -1;
	writer_init(&writer);
	for (size_t i = 0; i <= text.size; i++) {
		if (i < text.size && text.data[i] != '\n')
			continue;
		if ((start > 0 || first) && (blank || i > start)) {
			writer_text(&writer, by);
			for (int64_t j = 0; by.size == 0 && j < width; j++)
				writer_ours(&writer, " ");
		}
		writer_text(&writer, text_part(text, start, i < text.size ? i + 1 : i));
		start = i + 1;
	}
	return writer_value(run, &writer, out);
}

static int
filter_escape(struct run *run, const struct value *value, const struct arguments *arguments,
              struct value *out)
{
	static const char *const names[][2] = {
	    {"&",  "&amp;"},
            {"<",  "&lt;" },
            {">",  "&gt;" },
            {"'",  "&#39;"},
            {"\"", "&#34;"}
        };

	if (filter_string(run, value, arguments, out) == -1)
		return -1;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (text_replace(run, out->text, text_ours(slice_string(names[i][0])),
		                 text_ours(slice_string(names[i][1])), -1, out) == -1)
			return -1;
	return 0;
}

static int
filter_tojson(struct run *run, const struct value *value, const struct arguments *arguments,
              struct value *out)
{
	const struct value *ascii = argument(arguments, 9, "ensure_ascii"),
	                   *indent = argument(arguments, 0, "indent"),
	                   *list = argument(arguments, 9, "separators"),
	                   *sorted = argument(arguments, 9, "sort_keys");
	struct text separators[2];
	int64_t width = -1;
	struct writer writer;

	if (indent != NULL && indent->kind != VALUE_NONE &&
	    (!value_whole(indent, &width) || width < 0 || width > 16))
		return bad(run, "tojson");
	if (list != NULL && list->kind != VALUE_NONE) {
		if (list->kind != VALUE_LIST || list->list->count != 2 ||
		    list->list->items[0].kind != VALUE_TEXT || list->list->items[1].kind != VALUE_TEXT)
			return bad(run, "tojson");
		separators[0] = list->list->items[0].text;
		separators[1] = list->list->items[1].text;
	} else {
		list = NULL;
	}
	writer_init(&writer);
	if (write_json(run, &writer, value, (int)width, ascii != NULL && value_true(ascii),
	               sorted != NULL && value_true(sorted), list != NULL ? separators : NULL, 0) == -1) {
		writer_free(&writer);
		return -1;
	}
	return writer_value(run, &writer, out);
}

/* ---- any value -------------------------------------------------------------------------------------------------- */

static int
filter_default(struct run *run, const struct value *value, const struct arguments *arguments,
               struct value *out)
{
	const struct value *other = argument(arguments, 0, "default_value");

	(void)run;
	if (value->kind == VALUE_UNDEFINED || (flag_of(arguments, 1, "boolean", false) && !value_true(value)))
		*out = other != NULL ? *other : value_ours("");
	else
		*out = *value;
	return 0;
}

static int
filter_safe(struct run *run, const struct value *value, const struct arguments *arguments, struct value *out)
{
	(void)run;
	(void)arguments;
	*out = *value;
	return 0;
}

static int
filter_length(struct run *run, const struct value *value, const struct arguments *arguments,
              struct value *out)
{
	size_t length;

	(void)arguments;
	if (value_length(run, value, &length) == -1)
		return -1;
	*out = value_integer((int64_t)length);
	return 0;
}

static int
filter_attr(struct run *run, const struct value *value, const struct arguments *arguments, struct value *out)
{
	const struct text *name = text_of(arguments, 0, "name");

	return name == NULL ? bad(run, "attr") : value_attribute(run, value, text_slice(*name), out);
}

/* ---- lists ------------------------------------------------------------------------------------------------------ */

static int
filter_list(struct run *run, const struct value *value, const struct arguments *arguments, struct value *out)
{
	const struct list *list;
	struct list *copy;

	(void)arguments;
	if (value_list(run, value, &list) == -1 || (copy = list_new(run, list->count)) == NULL)
		return -1;
	if (list->count > 0)
		memcpy(copy->items, list->items, list->count * sizeof *copy->items);
	*out = as_list(copy);
	return 0;
}

static int
filter_first(struct run *run, const struct value *value, const struct arguments *arguments, struct value *out)
{
	const struct list *list;

	(void)arguments;
	if (value_list(run, value, &list) == -1)
		return -1;
	*out = list->count > 0 ? list->items[0] : value_undefined("first");
	return 0;
}

static int
filter_last(struct run *run, const struct value *value, const struct arguments *arguments, struct value *out)
{
	const struct list *list;

	(void)arguments;
	if (value_list(run, value, &list) == -1)
		return -1;
	*out = list->count > 0 ? list->items[list->count - 1] : value_undefined("last");
	return 0;
}

static int
filter_join(struct run *run, const struct value *value, const struct arguments *arguments, struct value *out)
{
	const struct text *between = text_of(arguments, 0, "d"), *by = text_of(arguments, 1, "attribute");
	const struct list *list;
	struct writer writer;

	if (value_list(run, value, &list) == -1)
		return -1;
	writer_init(&writer);
	for (size_t i = 0; i < list->count; i++) {
		struct value item = list->items[i];

		if (i > 0 && between != NULL)
			writer_text(&writer, *between);
		if ((by != NULL && value_path(run, &item, *by, &item) == -1) ||
		    write_value(run, &writer, &item) == -1) {
			writer_free(&writer);
			return -1;
		}
	}
	return writer_value(run, &writer, out);
}

static int
filter_reverse(struct run *run, const struct value *value, const struct arguments *arguments,
               struct value *out)
{
	struct value step = value_integer(-1);

	if (value->kind == VALUE_TEXT || value->kind == VALUE_LIST)
		return value_slice(run, value, NULL, NULL, &step, out);
	if (filter_list(run, value, arguments, out) == -1)
		return -1;
	return value_slice(run, out, NULL, NULL, &step, out);
}

static int
filter_sort(struct run *run, const struct value *value, const struct arguments *arguments, struct value *out)
{
	const struct list *list;
	struct list *sorted;

	if (value_list(run, value, &list) == -1 ||
	    value_sort(run, list, flag_of(arguments, 0, "reverse", false),
	               !flag_of(arguments, 1, "case_sensitive", false), text_of(arguments, 2, "attribute"),
	               &sorted) == -1)
		return -1;
	*out = as_list(sorted);
	return 0;
}

static int
filter_items(struct run *run, const struct value *value, const struct arguments *arguments, struct value *out)
{
	bool known;

	if (value->kind == VALUE_UNDEFINED)
		return filter_list(run, value, arguments, out);
	if (value->kind != VALUE_MAP)
		return bad(run, "items");
	return method_call(run, value, SLICE_LITERAL("items"), arguments, out, &known);
}

static int
filter_dictsort(struct run *run, const struct value *value, const struct arguments *arguments,
                struct value *out)
{
	const struct text *by = text_of(arguments, 1, "by");
	struct text path = text_ours(by != NULL && slice_is(text_slice(*by), "value") ? SLICE_LITERAL("1")
	                                                                              : SLICE_LITERAL("0"));
	struct arguments none = {0};
	struct list *sorted;

	if (value->kind != VALUE_MAP || filter_items(run, value, &none, out) == -1)
		return bad(run, "dictsort");
	if (value_sort(run, out->list, flag_of(arguments, 2, "reverse", false),
	               !flag_of(arguments, 0, "case_sensitive", false), &path, &sorted) == -1)
		return -1;
	*out = as_list(sorted);
	return 0;
}

static int
filter_unique(struct run *run, const struct value *value, const struct arguments *arguments,
              struct value *out)
{
	const struct text *by = text_of(arguments, 1, "attribute");
	const struct list *list;
	struct list *kept, *keys;
	bool fold = !flag_of(arguments, 0, "case_sensitive", false);

	if (value_list(run, value, &list) == -1 || (kept = list_new(run, list->count)) == NULL ||
	    (keys = list_new(run, list->count)) == NULL)
		return -1;
	kept->count = 0;
	for (size_t i = 0; i < list->count; i++) {
		struct value key = list->items[i];
		bool known = false;

		if ((by != NULL && value_path(run, &key, *by, &key) == -1) ||
		    (fold && key.kind == VALUE_TEXT && text_case(run, key.text, 'l', &key) == -1) ||
		    run_work(run, kept->count * 16) == -1)
			return -1;
		for (size_t j = 0; j < kept->count && !known; j++)
			known = value_equal(&keys->items[j], &key, 0);
		if (known)
			continue;
		keys->items[kept->count] = key;
		kept->items[kept->count++] = list->items[i];
	}
	*out = as_list(kept);
	return 0;
}

static int
extreme(struct run *run, const struct value *value, const struct arguments *arguments, bool most,
        struct value *out)
{
	const struct text *by = text_of(arguments, 1, "attribute");
	const struct list *list;
	struct list *sorted;

	if (value_list(run, value, &list) == -1 ||
	    value_sort(run, list, most, !flag_of(arguments, 0, "case_sensitive", false), by, &sorted) == -1)
		return -1;
	*out = sorted->count > 0 ? sorted->items[0] : value_undefined(most ? "max" : "min");
	return 0;
}

static int
filter_max(struct run *run, const struct value *value, const struct arguments *arguments, struct value *out)
{
	return extreme(run, value, arguments, true, out);
}

static int
filter_min(struct run *run, const struct value *value, const struct arguments *arguments, struct value *out)
{
	return extreme(run, value, arguments, false, out);
}

static int
filter_sum(struct run *run, const struct value *value, const struct arguments *arguments, struct value *out)
{
	const struct text *by = text_of(arguments, 0, "attribute");
	const struct value *start = argument(arguments, 1, "start");
	const struct list *list;
	double total = 0, number;
	int64_t whole, count = 0;
	bool real = false;

	if (start != NULL && value_whole(start, &whole))
		count = whole;
	else if (start != NULL)
		return bad(run, "sum");
	if (value_list(run, value, &list) == -1)
		return -1;
	for (size_t i = 0; i < list->count; i++) {
		struct value item = list->items[i];

		if (by != NULL && value_path(run, &item, *by, &item) == -1)
			return -1;
		if (value_whole(&item, &whole)) {
			if (__builtin_add_overflow(count, whole, &count))
				return bad(run, "sum");
		} else if (value_number(&item, &number)) {
			total += number;
			real = true;
		} else {
			return bad(run, "sum");
		}
	}
	*out = real ? value_real(total + (double)count) : value_integer(count);
	return 0;
}

/* Jinja's map and select look at what they go over only when they are asked: over nothing they find nothing. */
static int
lazy_list(struct run *run, const struct value *value, const struct list **out)
{
	struct value nothing = value_undefined("");

	return value_list(run, value->kind == VALUE_NONE ? &nothing : value, out);
}

/* map(attribute="a.b", default=x) or map("filter", arguments…) */
static int
filter_map(struct run *run, const struct value *value, const struct arguments *arguments, struct value *out)
{
	const struct text *by = text_of(arguments, ARGUMENTS_LIMIT, "attribute"),
	                  *name = text_of(arguments, 0, NULL);
	const struct value *other = argument(arguments, ARGUMENTS_LIMIT, "default");
	struct arguments rest = {0};
	const struct list *list;
	struct list *made;
	int number = -1;

	if (by == NULL) {
		if (name == NULL || (number = filter_find(text_slice(*name))) == -1)
			return bad(run, "map");
		rest.count = arguments->count - 1;
		rest.named = arguments->named;
		memcpy(rest.list, arguments->list + 1, rest.count * sizeof *rest.list);
		memcpy(rest.names, arguments->names + 1, rest.count * sizeof *rest.names);
	}
	if (lazy_list(run, value, &list) == -1 || (made = list_new(run, list->count)) == NULL)
		return -1;
	for (size_t i = 0; i < list->count; i++) {
		struct value *item = &made->items[i];

		if (by != NULL) {
			if (value_path(run, &list->items[i], *by, item) == -1)
				return -1;
			if (item->kind == VALUE_UNDEFINED && other != NULL)
				*item = *other;
		} else if (filter_apply(run, number, &list->items[i], &rest, item) == -1) {
			return -1;
		}
	}
	*out = as_list(made);
	return 0;
}

/* select, reject (test, …) and selectattr, rejectattr (attribute, test, …); without a test: what counts as true. */
static int
choose(struct run *run, const struct value *value, const struct arguments *arguments, bool attribute,
       bool keep, struct value *out)
{
	size_t skip = attribute ? 2 : 1;
	const struct text *by = attribute ? text_of(arguments, 0, NULL) : NULL;
	const struct text *name = text_of(arguments, skip - 1, NULL);
	struct arguments rest = {0};
	const struct list *list;
	struct list *kept;
	int test = -1;

	if ((attribute && by == NULL) || (name != NULL && (test = test_find(text_slice(*name))) == -1))
		return bad(run, keep ? "select" : "reject");
	if (arguments->count > skip) {
		rest.count = arguments->count - skip;
		memcpy(rest.list, arguments->list + skip, rest.count * sizeof *rest.list);
	}
	if (lazy_list(run, value, &list) == -1 || (kept = list_new(run, list->count)) == NULL)
		return -1;
	kept->count = 0;
	for (size_t i = 0; i < list->count; i++) {
		struct value item = list->items[i];
		bool good;

		if (by != NULL && value_path(run, &item, *by, &item) == -1)
			return -1;
		good = value_true(&item);
		if (test != -1 && test_apply(run, test, &item, &rest, &good) == -1)
			return -1;
		if (good == keep)
			kept->items[kept->count++] = list->items[i];
	}
	*out = as_list(kept);
	return 0;
}

static int
filter_select(struct run *run, const struct value *value, const struct arguments *arguments,
              struct value *out)
{
	return choose(run, value, arguments, false, true, out);
}

static int
filter_reject(struct run *run, const struct value *value, const struct arguments *arguments,
              struct value *out)
{
	return choose(run, value, arguments, false, false, out);
}

static int
filter_selectattr(struct run *run, const struct value *value, const struct arguments *arguments,
                  struct value *out)
{
	return choose(run, value, arguments, true, true, out);
}

static int
filter_rejectattr(struct run *run, const struct value *value, const struct arguments *arguments,
                  struct value *out)
{
	return choose(run, value, arguments, true, false, out);
}

static const struct {
	const char *name;
	filter *apply;
} filters[] = {
    {"abs",        filter_abs       },
    {"attr",       filter_attr      },
    {"capitalize", filter_capitalize},
    {"count",      filter_length    },
    {"d",          filter_default   },
    {"default",    filter_default   },
    {"dictsort",   filter_dictsort  },
    {"e",          filter_escape    },
    {"escape",     filter_escape    },
    {"first",      filter_first     },
    {"float",      filter_float     },
    {"indent",     filter_indent    },
    {"int",        filter_int       },
    {"items",      filter_items     },
    {"join",       filter_join      },
    {"last",       filter_last      },
    {"length",     filter_length    },
    {"list",       filter_list      },
    {"lower",      filter_lower     },
    {"map",        filter_map       },
    {"max",        filter_max       },
    {"min",        filter_min       },
    {"reject",     filter_reject    },
    {"rejectattr", filter_rejectattr},
    {"replace",    filter_replace   },
    {"reverse",    filter_reverse   },
    {"round",      filter_round     },
    {"safe",       filter_safe      },
    {"select",     filter_select    },
    {"selectattr", filter_selectattr},
    {"sort",       filter_sort      },
    {"string",     filter_string    },
    {"sum",        filter_sum       },
    {"title",      filter_title     },
    {"tojson",     filter_tojson    },
    {"trim",       filter_trim      },
    {"unique",     filter_unique    },
    {"upper",      filter_upper     },
};

int
filter_find(struct slice name)
{
	for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
		if (slice_is(name, filters[i].name))
			return (int)i;
	return -1;
}

int
filter_apply(struct run *run, int number, const struct value *value, const struct arguments *arguments,
             struct value *out)
{
	const struct value copy = *value; /* out may be the same */
	int result;

	if (run_work(run, 0) == -1 || ++run->depth > JINJA_DEPTH_LIMIT)
		return run_wrong(run, "너무 깊습니다", "nested too deeply");
	result = filters[number].apply(run, &copy, arguments, out);
	run->depth--;
	return result;
}
