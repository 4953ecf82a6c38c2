/* Our own forms' Markdown as one self-contained page: headings, tables, lists and paragraphs; everything is escaped. */
#include "gateway/commands/forms.h"

#include <string.h>

static const char head[] =
    "<!doctype html>\n<html lang=\"ko\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
    "content=\"width=device-width,initial-scale=1\"><title>";
static const char style[] =
    "</title>\n<style>body{font-family:\"Pretendard\",\"Noto Sans KR\",\"Noto Sans CJK KR\",\"Malgun "
    "Gothic\",sans-serif;color:#1c2430;background:#e9edf1;margin:0;line-height:1.6;word-break:keep-all;"
    "overflow-wrap:anywhere}main{max-width:820px;margin:24px auto;background:#fff;padding:44px 52px;"
    "box-shadow:0 1px 4px #0002}h1{font-size:1.5rem;color:#17324d;border-bottom:3px solid #17324d;"
    "padding-bottom:12px}h2{font-size:1.1rem;color:#17324d;margin-top:28px}table{border-collapse:collapse;"
    "width:100%}th,td{border:1px solid #c6ced7;padding:7px 10px;text-align:left;vertical-align:top}"
    "th{background:#f4f6f8}td:first-child{width:13em;background:#f4f6f8;font-weight:600}"
    "@page{size:A4;margin:16mm 14mm}@media "
    "print{body{background:#fff}main{box-shadow:none;margin:0;padding:0;"
    "max-width:none}tr{break-inside:avoid}}</style></head><body><main>\n";

static void
escaped(struct buffer *out, struct slice text)
{
	for (size_t i = 0; i < text.size; i++)
		switch (text.data[i]) {
		case '&':
			buffer_string(out, "&amp;");
			break;
		case '<':
			buffer_string(out, "&lt;");
			break;
		case '>':
			buffer_string(out, "&gt;");
			break;
		case '"':
			buffer_string(out, "&quot;");
			break;
		default:
			buffer_byte(out, text.data[i]);
		}
}

static bool
begins(struct slice line, const char *with)
{
	return line.size >= strlen(with) && memcmp(line.data, with, strlen(with)) == 0;
}

/* "| a | b |": cells between bars that are not escaped. */
static void
table_row(struct buffer *out, struct slice line, bool titles)
{
	size_t at = 1;

	buffer_string(out, "<tr>");
	while (at < line.size) {
		struct buffer cell;
		size_t end = at;

		buffer_init(&cell, 1 << 20);
		while (end < line.size && line.data[end] != '|') {
			if (line.data[end] == '\\' && end + 1 < line.size && line.data[end + 1] == '|')
				end++;
			buffer_byte(&cell, line.data[end++]);
		}
		if (end < line.size) {
			struct slice text = buffer_view(&cell);

			while (text.size > 0 && text.data[0] == ' ')
				text = slice_of(text.data + 1, text.size - 1);
			while (text.size > 0 && text.data[text.size - 1] == ' ')
				text.size--;
			buffer_string(out, titles ? "<th>" : "<td>");
			escaped(out, text);
			buffer_string(out, titles ? "</th>" : "</td>");
		}
		buffer_free(&cell);
		at = end + 1;
	}
	buffer_string(out, "</tr>\n");
}

void
form_html(struct buffer *out, struct slice markdown)
{
	enum { NOTHING, TABLE, LIST } in = NOTHING;
	struct reader reader = reader_of(markdown);
	bool first = true;

	while (!reader_done(&reader)) {
		const struct slice line = reader_line(&reader);

		if (in == TABLE && !begins(line, "|")) {
			buffer_string(out, "</table>\n");
			in = NOTHING;
		}
		if (in == LIST && !begins(line, "- ")) {
			buffer_string(out, "</ul>\n");
			in = NOTHING;
		}
		if (begins(line, "|---")) {
			continue;
		} else if (begins(line, "|")) {
			if (in != TABLE)
				buffer_string(out, "<table>\n");
			table_row(out, line, in != TABLE);
			in = TABLE;
		} else if (begins(line, "- ")) {
			if (in != LIST)
				buffer_string(out, "<ul>\n");
			in = LIST;
			buffer_string(out, "<li>");
			escaped(out, slice_of(line.data + 2, line.size - 2));
			buffer_string(out, "</li>\n");
		} else if (begins(line, "## ")) {
			buffer_string(out, "<h2>");
			escaped(out, slice_of(line.data + 3, line.size - 3));
			buffer_string(out, "</h2>\n");
		} else if (begins(line, "# ")) {
			const struct slice title = slice_of(line.data + 2, line.size - 2);

			if (first) {
				buffer_string(out, head);
				escaped(out, title);
				buffer_string(out, style);
			}
			first = false;
			buffer_string(out, "<h1>");
			escaped(out, title);
			buffer_string(out, "</h1>\n");
		} else if (line.size > 0) {
			buffer_string(out, "<p>");
			escaped(out, line);
			buffer_string(out, "</p>\n");
		}
	}
	if (in != NOTHING)
		buffer_string(out, in == TABLE ? "</table>\n" : "</ul>\n");
	buffer_string(out, "</main></body></html>\n");
}
