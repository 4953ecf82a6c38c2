#include "audit/quorum.h"

#include <stdlib.h>
#include <string.h>

#define WORDS (3 + QUORUM_WITNESSES + QUORUM_GROUPS)

struct words {
	size_t count;
	struct slice word[WORDS];
};

static int
wrong(struct fault *why, const char *ko, const char *en)
{
	return fault_set(why, FAULT_INVALID, "%s%.0s", "%.0s%s", ko, en);
}

/* Separated by spaces and tabs alone. */
static int
line_split(struct words *out, struct slice line, struct fault *why)
{
	size_t at = 0;

	out->count = 0;
	while (at < line.size) {
		size_t begin;

		while (at < line.size && (line.data[at] == ' ' || line.data[at] == '\t'))
			at++;
		begin = at;
		while (at < line.size && line.data[at] != ' ' && line.data[at] != '\t')
			at++;
		if (at == begin)
			continue;
		if (out->count == WORDS)
			return wrong(why, "낱말이 너무 많음", "too many words");
		out->word[out->count++] = slice_of(line.data + begin, at - begin);
	}
	return 0;
}

/* Witnesses and groups share one space of names. Their number, or -1. */
static int
name_find(const struct quorum *quorum, struct slice name)
{
	for (size_t i = 0; i < quorum->witness_count; i++)
		if (slice_is(name, quorum->witnesses[i].name))
			return (int)i;
	for (size_t i = 0; i < quorum->group_count; i++)
		if (slice_is(name, quorum->groups[i].name))
			return (int)(QUORUM_WITNESSES + i);
	return -1;
}

static int
name_take(char out[QUORUM_NAME_SIZE], const struct quorum *quorum, struct slice name, struct fault *why)
{
	if (name.size >= QUORUM_NAME_SIZE)
		return wrong(why, "이름이 너무 김", "the name is too long");
	if (slice_is(name, "none") || name_find(quorum, name) != -1)
		return wrong(why, "이미 쓰인 이름", "the name is taken");
	memcpy(out, name.data, name.size);
	out[name.size] = '\0';
	return 0;
}

static int
url_take(char out[QUORUM_URL_SIZE], const struct words *words, size_t at, struct fault *why)
{
	if (words->count == at)
		return 0;
	if (words->count != at + 1 || words->word[at].size >= QUORUM_URL_SIZE)
		return wrong(why, "URL 하나만, 너무 길지 않게", "one URL, and not too long");
	memcpy(out, words->word[at].data, words->word[at].size);
	return 0;
}

static bool
same_bytes(const struct note_key *a, const struct note_key *b)
{
	return a->key_size == b->key_size && memcmp(a->key, b->key, a->key_size) == 0;
}

static int
take_log(struct quorum *quorum, const struct words *words, struct fault *why)
{
	struct quorum_log *log = &quorum->logs[quorum->log_count];

	if (quorum->log_count == QUORUM_LOGS)
		return wrong(why, "log 줄이 너무 많음", "too many log lines");
	if (words->count < 2)
		return wrong(why, "log 뒤에 vkey가 없음", "no vkey behind log");
	if (note_key_parse(&log->key, words->word[1], why) == -1)
		return -1;
	if (log->key.type == NOTE_COSIGNATURE)
		return wrong(why, "증인의 키를 기록의 키로 쓸 수 없음", "a witness's key is no log's");
	for (size_t i = 0; i < quorum->log_count; i++)
		if (same_bytes(&log->key, &quorum->logs[i].key))
			return wrong(why, "같은 키의 기록이 두 번", "the same log key twice");
	if (url_take(log->url, words, 2, why) == -1)
		return -1;
	quorum->log_count++;
	return 0;
}

static int
take_witness(struct quorum *quorum, const struct words *words, struct fault *why)
{
	struct quorum_witness *witness = &quorum->witnesses[quorum->witness_count];

	if (quorum->witness_count == QUORUM_WITNESSES)
		return wrong(why, "witness 줄이 너무 많음", "too many witness lines");
	if (words->count < 3)
		return wrong(why, "witness 뒤에 이름과 vkey가 없음", "no name and vkey behind witness");
	if (name_take(witness->name, quorum, words->word[1], why) == -1 ||
	    note_key_parse(&witness->key, words->word[2], why) == -1)
		return -1;
	if (witness->key.type != NOTE_COSIGNATURE)
		return fault_set(
		    why, FAULT_UNSUPPORTED, "증인의 키는 cosignature/v1(0x04)이어야 합니다 (0x%02x)",
		    "a witness's key is of type cosignature/v1 (0x04), not 0x%02x", witness->key.type);
	for (size_t i = 0; i < quorum->witness_count; i++)
		if (same_bytes(&witness->key, &quorum->witnesses[i].key))
			return wrong(why, "같은 키의 증인이 두 번", "the same witness key twice");
	if (url_take(witness->url, words, 3, why) == -1)
		return -1;
	quorum->witness_count++;
	return 0;
}

static int
take_group(struct quorum *quorum, const struct words *words, struct fault *why)
{
	struct quorum_group *group = &quorum->groups[quorum->group_count];
	uint64_t threshold;

	if (quorum->group_count == QUORUM_GROUPS)
		return wrong(why, "group 줄이 너무 많음", "too many group lines");
	if (words->count < 4)
		return wrong(why, "group 이름 all|any|수 구성원… 이어야 함",
		             "it is group NAME all|any|K MEMBER...");
	if (name_take(group->name, quorum, words->word[1], why) == -1)
		return -1;
	group->count = words->count - 3;
	if (slice_is(words->word[2], "all"))
		threshold = group->count;
	else if (slice_is(words->word[2], "any"))
		threshold = 1;
	else if (!tree_number(&threshold, words->word[2]) || threshold < 1 || threshold > group->count)
		return wrong(why, "수는 1에서 구성원 수까지", "the number is 1 to the count of members");
	group->threshold = (size_t)threshold;
	for (size_t i = 0; i < group->count; i++) {
		const int member = name_find(quorum, words->word[3 + i]);

		if (member == -1)
			return wrong(why, "앞에서 정의하지 않은 구성원",
			             "a member that was not defined before");
		/* Each name is a member once at most, of this group or of an earlier one. */
		for (size_t g = 0; g <= quorum->group_count; g++)
			for (size_t m = 0; m < (g < quorum->group_count ? quorum->groups[g].count : i); m++)
				if (quorum->groups[g].members[m] == member)
					return wrong(why, "두 번 속한 구성원", "a member that belongs twice");
		group->members[i] = (uint8_t)member;
	}
	quorum->group_count++;
	return 0;
}

static int
take_quorum(struct quorum *quorum, const struct words *words, bool *given, struct fault *why)
{
	int found;

	if (*given)
		return wrong(why, "quorum 줄이 두 번", "two quorum lines");
	if (words->count != 2)
		return wrong(why, "quorum 이름 하나", "it is quorum NAME");
	*given = true;
	if (slice_is(words->word[1], "none")) {
		quorum->none = true;
		return 0;
	}
	if ((found = name_find(quorum, words->word[1])) == -1)
		return wrong(why, "앞에서 정의하지 않은 이름", "a name that was not defined before");
	quorum->root = (uint8_t)found;
	return 0;
}

int
quorum_parse(struct quorum *out, struct slice text, struct fault *why)
{
	size_t number = 0;
	bool given = false;

	memset(out, 0, sizeof *out);
	if (text.size > QUORUM_LIMIT)
		return fault_set(why, FAULT_TOO_LARGE, "증인 정책이 %d바이트를 넘습니다",
		                 "the witness policy is over %d bytes", QUORUM_LIMIT);
	for (size_t i = 0; i < text.size; i++)
		if ((text.data[i] < 0x20 && text.data[i] != '\t' && text.data[i] != '\n') ||
		    text.data[i] == 0x7f)
			return wrong(why, "증인 정책에 제어 문자가 있습니다",
			             "the witness policy has a control character");
	if (text.size > 0 && text.data[text.size - 1] != '\n')
		return wrong(why, "증인 정책의 마지막 줄이 끝나지 않았습니다",
		             "the last line of the witness policy does not end");
	for (struct reader reader = reader_of(text); reader.rest.size > 0;) {
		const struct slice line = reader_line(&reader);
		struct words words;
		int result;

		number++;
		if (line_split(&words, line, why) == -1)
			return fault_prefix(why, "%zu번째 줄", "line %zu", number);
		if (words.count == 0 || words.word[0].data[0] == '#')
			continue;
		if (slice_is(words.word[0], "log"))
			result = take_log(out, &words, why);
		else if (slice_is(words.word[0], "witness"))
			result = take_witness(out, &words, why);
		else if (slice_is(words.word[0], "group"))
			result = take_group(out, &words, why);
		else if (slice_is(words.word[0], "quorum"))
			result = take_quorum(out, &words, &given, why);
		else
			result = wrong(why, "모르는 낱말", "an unknown word");
		if (result == -1)
			return fault_prefix(why, "%zu번째 줄", "line %zu", number);
	}
	return given ? 0 : wrong(why, "quorum 줄이 없습니다", "there is no quorum line");
}

int
quorum_load(struct quorum **out, const char *path, struct fault *why)
{
	struct quorum *quorum = malloc(sizeof *quorum);
	struct buffer text = {0};
	int result = -1;

	*out = NULL;
	if (quorum == NULL) {
		fault_memory(why);
	} else if (file_read(&text, path, QUORUM_LIMIT, why) == 0) {
		result = quorum_parse(quorum, buffer_view(&text), why);
		if (result == -1)
			fault_prefix(why, "%s", "%s", path);
	}
	buffer_free(&text);
	if (result == -1)
		free(quorum);
	else
		*out = quorum;
	return result;
}

bool
quorum_met(const struct quorum *quorum, const bool cosigned[QUORUM_WITNESSES])
{
	bool group_met[QUORUM_GROUPS] = {false};

	if (quorum->none)
		return true;
	/* Members are defined before their groups: one pass in order is enough. */
	for (size_t g = 0; g < quorum->group_count; g++) {
		const struct quorum_group *group = &quorum->groups[g];
		size_t have = 0;

		for (size_t m = 0; m < group->count; m++) {
			const unsigned member = group->members[m];

			have += member < QUORUM_WITNESSES ? cosigned[member]
			                                  : group_met[member - QUORUM_WITNESSES];
		}
		group_met[g] = have >= group->threshold;
	}
	return quorum->root < QUORUM_WITNESSES ? cosigned[quorum->root]
	                                       : group_met[quorum->root - QUORUM_WITNESSES];
}

static int
key_add(struct keyring *keyring, const struct note_key *key, struct fault *why)
{
	struct buffer line;
	int result;

	buffer_init(&line, NOTE_VKEY_SIZE + 1);
	note_key_write(&line, key);
	result = keyring_add(keyring, buffer_view(&line), why);
	buffer_free(&line);
	return result;
}

int
quorum_keys(struct keyring *keyring, const struct quorum *quorum, struct fault *why)
{
	for (size_t i = 0; i < quorum->log_count; i++)
		if (key_add(keyring, &quorum->logs[i].key, why) == -1)
			return -1;
	for (size_t i = 0; i < quorum->witness_count; i++)
		if (key_add(keyring, &quorum->witnesses[i].key, why) == -1)
			return -1;
	return 0;
}

static void
describe(struct buffer *out, const struct quorum *quorum, unsigned member)
{
	const struct quorum_group *group;

	if (member < QUORUM_WITNESSES) {
		buffer_string(out, quorum->witnesses[member].name);
		return;
	}
	group = &quorum->groups[member - QUORUM_WITNESSES];
	if (group->count > 1)
		buffer_printf(out, "%zu/%zu(", group->threshold, group->count);
	for (size_t i = 0; i < group->count; i++) {
		if (i > 0)
			buffer_string(out, ", ");
		describe(out, quorum, group->members[i]);
	}
	if (group->count > 1)
		buffer_byte(out, ')');
}

void
quorum_describe(struct buffer *out, const struct quorum *quorum)
{
	if (quorum->none)
		buffer_string(out, "none");
	else
		describe(out, quorum, quorum->root);
}

int
quorum_check(const struct quorum *quorum, const struct signed_head *head, bool cosigned[QUORUM_WITNESSES],
             struct fault *why)
{
	bool here[QUORUM_WITNESSES] = {false};
	struct buffer words;
	size_t have = 0;
	bool known = quorum->log_count == 0;

	if (cosigned == NULL)
		cosigned = here;
	memset(cosigned, 0, QUORUM_WITNESSES * sizeof *cosigned);
	for (size_t i = 0; i < quorum->log_count; i++)
		known = known || slice_is(head->checkpoint.origin, quorum->logs[i].key.name);
	if (!known)
		return fault_set(why, FAULT_UNIDENTIFIED, "증인 정책에 기록 %.*s이(가) 없습니다",
		                 "the witness policy does not know the log %.*s",
		                 SLICE_PRINT(head->checkpoint.origin));
	for (size_t i = 0; i < quorum->witness_count; i++) {
		const struct note_key *key = &quorum->witnesses[i].key;

		for (size_t s = 0; s < head->note.count; s++) {
			const struct note_signature *line = &head->note.signatures[s];

			/* Lines of known keys were checked when the head was opened. */
			if (line->id == key->id && slice_is(line->name, key->name))
				cosigned[i] = true;
		}
		have += cosigned[i];
	}
	if (quorum_met(quorum, cosigned))
		return 0;
	buffer_init(&words, 256);
	quorum_describe(&words, quorum);
	words.failed = false; /* cut, if it is long */
	fault_set(
	    why, FAULT_TAMPERED,
	    "증인의 서명이 모자랍니다: 정책의 증인 %zu명 가운데 %zu명이 서명했고, 정책은 %s을(를) 바랍니다",
	    "witnesses are missing: of %zu witnesses of the policy %zu cosigned, and it wants %s",
	    quorum->witness_count, have, buffer_text(&words) == NULL ? "more" : buffer_text(&words));
	buffer_free(&words);
	return -1;
}
