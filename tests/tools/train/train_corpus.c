/* What the project wrote, read. */
#include "tests/tools/train/train.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "schema/base/json.h"

static const char *const section_names[SECTIONS] = {
    "situation",  "ask",  "near",  "consequence", "harmless", "frame",    "claim",
    "claim-none", "chat", "thing", "ending",      "positive", "negative", "words"};

struct lines corpus[DOMAIN_KINDS][SECTIONS][LANGUAGES];
struct requests writers[WRITERS_LIMIT];
size_t writer_count;

static void
fragments_read(const char *directory, const char *name, enum domain domain)
{
	char path[1024], line[2048];
	struct lines *lines = NULL;
	FILE *file;

	snprintf(path, sizeof path, "%s/%s.txt", directory, name);
	if ((file = fopen(path, "r")) == NULL) {
		perror(path);
		exit(2);
	}
	while (fgets(line, sizeof line, file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#')
			continue;
		if (line[0] == '[' && (strstr(line, ".ko]") != NULL || strstr(line, ".en]") != NULL)) {
			char *dot = strrchr(line, '.');

			lines = NULL;
			for (unsigned s = 0; dot != NULL && s < SECTIONS; s++) {
				size_t size = strlen(section_names[s]);

				if ((size_t)(dot - line - 1) == size &&
				    strncmp(line + 1, section_names[s], size) == 0)
					lines = &corpus[domain][s][strncmp(dot, ".en", 3) == 0 ? EN : KO];
			}
			if (lines == NULL) {
				fprintf(stderr, "%s: %s?\n", path, line);
				exit(2);
			}
		} else if (lines != NULL && lines->count < LINES_LIMIT &&
		           (line[0] != '\0' || strstr(path, "common") != NULL)) {
			lines->line[lines->count++] = strdup(line);
		}
	}
	fclose(file);
}

static enum domain
domain_of(const char *name, const char *path)
{
	enum domain domain = DOMAIN_NONE;

	if (strcmp(name, "none") != 0 && !domain_parse(&domain, name)) {
		fprintf(stderr, "%s: %s?\n", path, name);
		exit(2);
	}
	return domain;
}

/* JSON lines: id, lang, text, label, also, difficulty, why, adversarial; `why` of a harmless one begins with [near:DOMAIN]. */
void
requests_read(struct requests *out, const char *path)
{
	char line[4 * TEXT_LIMIT];
	size_t capacity = 0;
	FILE *file = fopen(path, "r");

	if (file == NULL) {
		perror(path);
		exit(2);
	}
	out->name = strdup(strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path);
	while (fgets(line, sizeof line, file) != NULL) {
		struct fault why;
		json_t *value = json_read(slice_string(line), sizeof line, 4, &why), *also;
		struct request *request;
		const char *label, *text, *reason, *difficulty;
		size_t i;
		json_t *name;

		if (value == NULL) {
			fault_print(stderr, path, &why);
			exit(2);
		}
		text = json_get_string(value, "text");
		label = json_get_string(value, "label");
		reason = json_get_string(value, "why");
		difficulty = json_get_string(value, "difficulty");
		if (text == NULL || label == NULL) {
			fprintf(stderr, "%s: a line without text or label\n", path);
			exit(2);
		}
		if (out->count == capacity) {
			capacity = capacity == 0 ? 256 : capacity * 2;
			if ((out->list = realloc(out->list, capacity * sizeof *out->list)) == NULL)
				exit(2);
		}
		request = &out->list[out->count++];
		*request = (struct request){.text = strdup(text),
		                            .label = domain_of(label, path),
		                            .hard = difficulty != NULL && strcmp(difficulty, "hard") == 0,
		                            .adversarial = json_get_bool(value, "adversarial", false)};
		request->near = request->label;
		if (request->label == DOMAIN_NONE && reason != NULL && strncmp(reason, "[near:", 6) == 0) {
			char near[32] = "";

			(void)sscanf(reason, "[near:%31[a-z_]", near);
			(void)domain_parse(&request->near, near);
		}
		also = json_object_get(value, "also");
		json_array_foreach(also, i, name) request->also |=
		    (uint16_t)(1u << domain_of(json_string_value(name), path));
		json_decref(value);
	}
	fclose(file);
}

static int
is_writer(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot != NULL && strcmp(dot, ".jsonl") == 0;
}

void
corpus_read(const char *directory)
{
	struct dirent **entries;
	char path[1024];
	int count;

	fragments_read(directory, "common", DOMAIN_NONE);
	for (unsigned d = DOMAIN_ENERGY; d < DOMAIN_KINDS; d++)
		fragments_read(directory, domain_name((enum domain)d), (enum domain)d);
	if ((count = scandir(directory, &entries, is_writer, alphasort)) == -1) {
		perror(directory);
		exit(2);
	}
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof path, "%s/%s", directory, entries[i]->d_name);
		if (writer_count < WRITERS_LIMIT)
			requests_read(&writers[writer_count++], path);
		free(entries[i]);
	}
	free(entries);
}
