#include "policy/cedar/parser.h"

#include "policy/cedar/spelling.h"

#include <string.h>

void
parser_init(struct parser *parser, struct arena *arena, const struct cedar_text_source *source,
            struct cedar_notes *notes)
{
	memset(parser, 0, sizeof *parser);
	parser->arena = arena;
	parser->source = source;
	parser->notes = notes;
	parser->lexer = lexer_of(source->text);
	parser->token = lexer_next(&parser->lexer);
}

void
parser_advance(struct parser *parser)
{
	parser->previous = parser->token.offset + (uint32_t)parser->token.text.size;
	parser->token = lexer_next(&parser->lexer);
}

struct token
parser_behind(const struct parser *parser)
{
	struct lexer ahead = parser->lexer;

	return lexer_next(&ahead);
}

bool
parser_at_word(const struct parser *parser, const char *word)
{
	return parser->token.kind == TOKEN_WORD && slice_is(parser->token.text, word);
}

bool
parser_accept(struct parser *parser, enum token_kind kind)
{
	if (parser->lost || parser->token.kind != kind)
		return false;
	parser_advance(parser);
	return true;
}

void
parser_no_memory(struct parser *parser)
{
	parser->memory = true;
	parser->lost = true;
}

/* What is no token is told as such, whatever was wanted in its place. */
static bool
complain_bad(struct parser *parser)
{
	struct token token = parser->token;
	int size = (int)(token.text.size < 60 ? token.text.size : utf8_cut(token.text, 60));

	if (token.kind != TOKEN_BAD)
		return false;
	switch (token.bad) {
	case LEXER_BAD_STRING:
		parser_complain(parser, token.offset, "큰따옴표로 닫고, 줄 끝의 역슬래시를 지우십시오",
		                "close it with \" and leave no backslash at the end of a line",
		                "문자열이 닫히지 않았습니다: %.*s", "the string is not closed: %.*s", size,
		                (const char *)token.text.data);
		break;
	case LEXER_BAD_CARRIAGE:
		parser_complain(parser, token.offset, "\\r로 적으십시오", "write it as \\r",
		                "문자열 안에 캐리지 리턴(CR)이 있습니다",
		                "a raw carriage return inside a string");
		break;
	case LEXER_BAD_UTF8:
		parser_complain(parser, token.offset, "파일을 UTF-8로 저장하십시오", "save the file as UTF-8",
		                "UTF-8이 아닌 바이트입니다", "a byte that is not UTF-8");
		break;
	case LEXER_BAD_COMMENT:
		parser_complain(parser, token.offset, "줄마다 //로 시작하십시오", "begin each line with //",
		                "Cedar에는 묶음 주석이 없습니다: /*", "Cedar has no block comments: /*");
		break;
	case LEXER_BAD_BYTE:
		parser_complain(parser, token.offset,
		                token.text.data[0] == '#' ? "설명은 //로 시작하십시오"
		                                          : "문자열은 곧은 큰따옴표 \"…\"로 적으십시오",
		                token.text.data[0] == '#' ? "begin comments with //"
		                                          : "write text in straight double quotes \"…\"",
		                "뜻이 없는 글자입니다: %.*s", "a character that means nothing here: %.*s",
		                size, (const char *)token.text.data);
		break;
	}
	return true;
}

/* What people write who know other languages. */
static const struct {
	const char *text, *ko, *en;
} habits[] = {
    {"and",   "그리고는 &&입니다",                                        "write && for and"                     },
    {"or",    "또는은 ||입니다",                                           "write || for or"                      },
    {"not",   "아님은 !입니다",                                            "write ! for not"                      },
    {"allow", "허용은 permit, 금지는 forbid입니다",                     "write permit to allow, forbid to deny"},
    {"deny",  "허용은 permit, 금지는 forbid입니다",                     "write permit to allow, forbid to deny"},
    {"if",    "정책의 조건은 when { … } 또는 unless { … }입니다",
     "conditions of a policy are when { … } or unless { … }"                                                        },
    {"where", "정책의 조건은 when { … } 또는 unless { … }입니다",
     "conditions of a policy are when { … } or unless { … }"                                                        },
    {"null",  "null은 없습니다. 값이 있는지는 has로 묻습니다",   "there is no null; ask with has"       },
    {"===",   "같은지 물으려면 ==를 쓰십시오",                       "use == to compare"                    },
};
static const char *const keywords[] = {"permit",   "forbid",    "when", "unless", "principal", "action",
                                       "resource", "context",   "then", "else",   "entity",    "namespace",
                                       "type",     "appliesTo", "enum", "tags",   "attributes"};

static struct spelling_hint
hint_at(struct parser *parser)
{
	struct spelling_hint nothing = {NULL, NULL};
	struct spelling spelling = spelling_of(parser->token.text);

	for (size_t i = 0; i < sizeof habits / sizeof *habits; i++)
		if (slice_is(parser->token.text, habits[i].text))
			return (struct spelling_hint){habits[i].ko, habits[i].en};
	if (parser->token.kind != TOKEN_WORD || parser_behind(parser).kind == TOKEN_PATH)
		return nothing;
	for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
		if (slice_is(parser->token.text, keywords[i]))
			return nothing;
		spelling_try(&spelling, slice_string(keywords[i]));
	}
	return spelling_hint_of(&spelling, parser->notes, nothing);
}

void
parser_unexpected(struct parser *parser, const char *what_ko, const char *what_en)
{
	parser_unexpected_with(parser, what_ko, what_en, NULL, NULL);
}

void
parser_unexpected_with(struct parser *parser, const char *what_ko, const char *what_en, const char *hint_ko,
                       const char *hint_en)
{
	struct token token = parser->token;
	struct spelling_hint hint;
	int size = (int)(token.text.size < 60 ? token.text.size : utf8_cut(token.text, 60));

	if (parser->lost)
		return;
	parser->lost = true;
	if (complain_bad(parser))
		return;
	hint = hint_at(parser);
	if (hint.ko == NULL)
		hint = (struct spelling_hint){hint_ko, hint_en};
	/* Each language names the wanted thing in its own words: both are arguments, each text hides one (%.0s). */
	if (token.kind == TOKEN_END)
		parser_complain(parser, token.offset, hint_ko, hint_en,
		                "글이 끝났습니다. 여기에 올 것: %s%.0s", "the text ends here; wanted %.0s%s",
		                what_ko, what_en);
	else
		parser_complain(parser, token.offset, hint.ko, hint.en,
		                "'%.*s'은(는) 여기에 올 수 없습니다. 여기에 올 것: %s%.0s",
		                "unexpected '%.*s', wanted %.0s%s", size, (const char *)token.text.data,
		                what_ko, what_en);
}

bool
parser_expect(struct parser *parser, enum token_kind kind, const char *what_ko, const char *what_en)
{
	if (parser_accept(parser, kind))
		return true;
	parser_unexpected(parser, what_ko, what_en);
	return false;
}

bool
parser_enter(struct parser *parser)
{
	if (parser->lost)
		return false;
	if (++parser->depth <= CEDAR_DEPTH_LIMIT)
		return true;
	parser_complain(parser, parser->token.offset, "식을 여러 정책으로 나누십시오",
	                "split it into several policies", "너무 깊이 겹쳤습니다 (한도 %d)",
	                "nested too deeply (limit %d)", CEDAR_DEPTH_LIMIT);
	parser->lost = true;
	parser->depth--;
	return false;
}

void
parser_leave(struct parser *parser)
{
	parser->depth--;
}

bool
parser_grow(struct parser *parser, void *items, uint32_t count, uint32_t *capacity, size_t size)
{
	uint32_t wanted = *capacity == 0 ? 4 : 2 * *capacity;
	void *more, *old;

	if (count < *capacity)
		return true;
	if ((more = arena_array(parser->arena, wanted, size)) == NULL) {
		parser_no_memory(parser);
		return false;
	}
	memcpy(&old, items, sizeof old);
	if (count > 0)
		memcpy(more, old, count * size);
	memcpy(items, &more, sizeof more);
	*capacity = wanted;
	return true;
}

/* ---- names and texts ------------------------------------------------------------------------------------------ */

#define ENTITY_FORM                                                                                          \
	"개체는 종류::\"이름\", 종류는 따옴표 없이 적습니다",                                                \
	    "an entity is Type::\"id\", a type stands without quotes"

bool
parser_identifier(struct parser *parser, struct cedar_string *name)
{
	struct token token = parser->token;

	if (parser->lost)
		return false;
	if (token.kind != TOKEN_WORD) {
		if (token.kind == TOKEN_STRING || token.kind == TOKEN_OPEN_SQUARE)
			parser_unexpected_with(parser, "이름", "a name", ENTITY_FORM);
		else
			parser_unexpected(parser, "이름", "a name");
		return false;
	}
	if (cedar_word_reserved(token.text)) {
		parser_complain(parser, token.offset, "속성이면 [\"…\"]처럼 따옴표로 적으십시오",
		                "quote it if it is an attribute: [\"…\"]", "'%.*s'은(는) 예약어입니다",
		                "'%.*s' is reserved", SLICE_PRINT(token.text));
		parser->lost = true;
		return false;
	}
	*name = cedar_string_of(token.text);
	parser_advance(parser);
	return true;
}

bool
parser_string(struct parser *parser, struct cedar_string *text)
{
	struct token token = parser->token;
	struct slice bytes, bad;

	if (!parser_expect(parser, TOKEN_STRING, "문자열", "a string"))
		return false;
	if (!cedar_unescape(parser->arena, slice_of(token.text.data + 1, token.text.size - 2), &bytes,
	                    &bad)) {
		if (bad.size == 0) {
			parser_no_memory(parser);
			return false;
		}
		parser_complain(parser, token.offset,
		                "쓸 수 있는 것: \\n \\r \\t \\0 \\\\ \\' \\\" \\x41 \\u{ac00}",
		                "there are \\n \\r \\t \\0 \\\\ \\' \\\" \\x41 \\u{ac00}",
		                "모르는 이스케이프입니다: %.*s", "no such escape: %.*s", SLICE_PRINT(bad));
		bytes = (struct slice){NULL, 0};
	}
	*text = cedar_string_of(bytes);
	return true;
}

/* A name that is put together: in the source as long as it stands there without spaces, then in room of its own. */
struct joined {
	struct slice text;
	uint8_t *room;
	size_t capacity;
};

static bool
join(struct parser *parser, struct joined *joined, const struct cedar_string *part)
{
	size_t size = joined->text.size + 2 + part->size;

	if (joined->room == NULL &&
	    (const uint8_t *)part->data == joined->text.data + joined->text.size + 2) {
		joined->text.size = size;
		return true;
	}
	if (size > joined->capacity) {
		uint8_t *room = arena_alloc(parser->arena, 2 * size);

		if (room == NULL) {
			parser_no_memory(parser);
			return false;
		}
		memcpy(room, joined->text.data, joined->text.size);
		joined->room = room;
		joined->capacity = 2 * size;
	}
	memcpy(joined->room + joined->text.size, "::", 2);
	memcpy(joined->room + joined->text.size + 2, part->data, part->size);
	joined->text = slice_of(joined->room, size);
	return true;
}

bool
parser_path(struct parser *parser, struct cedar_string *path, struct cedar_string *id, bool *has_id)
{
	struct cedar_string part;
	struct joined joined = {.room = NULL};

	if (has_id != NULL)
		*has_id = false;
	if (!parser_identifier(parser, &part))
		return false;
	joined.text = cedar_string_slice(&part);
	while (parser->token.kind == TOKEN_PATH) {
		parser_advance(parser);
		if (id != NULL && parser->token.kind == TOKEN_STRING) {
			*has_id = true;
			*path = cedar_string_of(joined.text);
			return parser_string(parser, id);
		}
		if (!parser_identifier(parser, &part) || !join(parser, &joined, &part))
			return false;
	}
	*path = cedar_string_of(joined.text);
	return true;
}

const struct cedar_uid *
parser_entity(struct parser *parser)
{
	struct cedar_string type, id;
	struct cedar_uid *uid;
	bool has_id;

	if (!parser_path(parser, &type, &id, &has_id))
		return NULL;
	if (!has_id) {
		parser_unexpected_with(parser, "'::\"이름\"'", "'::\"id\"'", ENTITY_FORM);
		return NULL;
	}
	if ((uid = arena_alloc(parser->arena, sizeof *uid)) == NULL) {
		parser_no_memory(parser);
		return NULL;
	}
	*uid = cedar_uid_of(type, id);
	return uid;
}

bool
cedar_uid_read(struct arena *arena, struct slice text, const struct cedar_uid **uid)
{
	struct cedar_text_source source = {"", text};
	struct cedar_notes notes = {.arena = arena};
	struct parser parser;

	if (!utf8_valid(text))
		return false;
	parser_init(&parser, arena, &source, &notes);
	*uid = parser_entity(&parser);
	return *uid != NULL && notes.errors == 0 && parser.token.kind == TOKEN_END;
}
