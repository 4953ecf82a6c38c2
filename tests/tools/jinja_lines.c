/*
 * Render chat templates: JSON lines {"template","ours","theirs"} in, {"text","trusted":[[start,end],…]} or
 * {"error","kind"} out. For comparing with other interpreters (tests/vectors/templates.py).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inference/template_jinja.h"

static json_t *
render(const json_t *line)
{
	struct slice source = slice_of(json_string_value(json_object_get(line, "template")),
	                               json_string_length(json_object_get(line, "template")));
	struct jinja *jinja = NULL;
	struct prompt prompt;
	struct fault why = {0};
	json_t *out = json_object(), *spans = json_array();

	prompt_init(&prompt, (size_t)64 << 20);
	if (jinja_compile(&jinja, source, &why) == -1 ||
	    jinja_render(jinja, json_object_get(line, "ours"), json_object_get(line, "theirs"), &prompt,
	                 &why) == -1) {
		json_object_set_new(out, "error", json_string(why.en));
		json_object_set_new(out, "ko", json_string(why.ko));
		json_object_set_new(out, "kind", json_string(fault_kind_name(why.kind)));
	} else {
		json_object_set_new(out, "text",
		                    json_stringn((const char *)prompt.text.data, prompt.text.size));
		for (size_t i = 0; i < prompt.trusted_count; i++)
			json_array_append_new(spans, json_pack("[II]", (json_int_t)prompt.trusted[i].start,
			                                       (json_int_t)prompt.trusted[i].end));
		json_object_set(out, "trusted", spans);
	}
	json_decref(spans);
	prompt_free(&prompt);
	jinja_free(jinja);
	return out;
}

int
main(void)
{
	char *line = NULL;
	size_t capacity = 0;
	ssize_t size;

	while ((size = getline(&line, &capacity, stdin)) > 0) {
		struct fault why = {0};
		json_t *read = json_read(slice_of(line, (size_t)size), (size_t)64 << 20, 64, &why), *out;
		char *text;

		if (read == NULL) {
			fprintf(stderr, "%s\n", why.en);
			return 2;
		}
		out = render(read);
		text = json_dumps(out, JSON_COMPACT);
		puts(text != NULL ? text : "{}");
		fflush(stdout);
		free(text);
		json_decref(out);
		json_decref(read);
	}
	free(line);
	return 0;
}
