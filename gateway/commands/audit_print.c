#include "gateway/commands/audit_print.h"

#include <inttypes.h>
#include <string.h>

#include "audit/report.h"
#include "schema/base/clock.h"
#include "schema/base/json.h"

/* ---- entries ----------------------------------------------------------------------------------------------------- */

static void
member(struct buffer *out, const char *name, const char *text)
{
	if (text[0] == '\0')
		return;
	buffer_printf(out, ",\"%s\":", name);
	json_quote(out, slice_string(text));
}

/* "first", and a list "second,third". */
static void
list(struct buffer *out, const char *name, const char *first, const char *rest)
{
	buffer_printf(out, ",\"%s\":[", name);
	json_quote(out, slice_string(first));
	while (*rest != '\0') {
		const size_t size = strcspn(rest, ",");

		buffer_byte(out, ',');
		json_quote(out, slice_of(rest, size));
		rest += size + (rest[size] == ',');
	}
	buffer_byte(out, ']');
}

void
audit_row_json(struct buffer *out, const struct query_row *row)
{
	char time[CLOCK_TEXT_SIZE];

	clock_text(time, row->wall_ms);
	buffer_string(out, "{\"log\":");
	json_quote(out, slice_string(row->origin));
	buffer_printf(out, ",\"index\":%" PRIu64 ",\"time\":\"%s\"", row->index, time);
	member(out, "id", row->id);
	member(out, "kind", row->kind);
	member(out, "agency", row->agency);
	member(out, "service", row->service);
	member(out, "subject", row->subject);
	member(out, "key", row->key_id);
	member(out, "request_id", row->request_id);
	member(out, "of", row->of);
	member(out, "usecase", row->usecase);
	member(out, "verdict", row->verdict);
	member(out, "decision", row->access);
	member(out, "domain", row->domain);
	if (row->also[0] != '\0')
		list(out, "domains", row->domain, row->also);
	member(out, "action", row->action);
	member(out, "model", row->model);
	member(out, "zone", row->zone);
	buffer_string(out, ",\"entry\":");
	buffer_slice(out,
	             row->bytes); /* canonical JSON is JSON; what is not canonical is for verify to name */
	buffer_byte(out, '}');
}

void
audit_row_csv(struct buffer *out, const struct query_row *row)
{
	struct entry_columns columns = {
	    .wall_ms = row->wall_ms,
	    .id = slice_string(row->id),
	    .log = slice_string(row->origin),
	    .agency = slice_string(row->agency),
	    .service = slice_string(row->service),
	    .subject = slice_string(row->subject),
	    .key = slice_string(row->key_id),
	    .request_id = slice_string(row->request_id),
	    .of = slice_string(row->of),
	    .usecase = slice_string(row->usecase),
	    .verdict = slice_string(row->verdict),
	    .access = slice_string(row->access),
	    .domain = slice_string(row->domain),
	    .action = slice_string(row->action),
	    .model = slice_string(row->model),
	    .zone = slice_string(row->zone),
	};

	report_csv_line(out, row->index, slice_string(row->kind), &columns);
}

struct word {
	const char *name, *ko;
};

static const char *
korean(const struct word *words, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(words[i].name, name) == 0)
			return words[i].ko;
	return name;
}

static const struct word kinds[] = {
    {"decision",  "결정"   },
    {"outcome",   "결과"   },
    {"review",    "검토"   },
    {"usecase",   "용도"   },
    {"policy",    "정책"   },
    {"key",       "열쇠"   },
    {"access",    "열람"   },
    {"export",    "내보냄"},
    {"shred",     "파기"   },
    {"witness",   "증인"   },
    {"lifecycle", "운영"   },
};

static const struct word accesses[] = {
    {"permit", "허용"},
    {"redact", "가림"},
    {"hold",   "보류"},
    {"deny",   "거부"},
};

static const struct word actions[] = {
    {"answered",        "답함"             },
    {"refused",         "거절함"          },
    {"held",            "대기"             },
    {"failed",          "실패"             },
    {"cancelled",       "취소"             },
    {"approve",         "승인"             },
    {"refuse",          "거절"             },
    {"edit",            "수정"             },
    {"expire",          "만료"             },
    {"start",           "시작"             },
    {"stop",            "끝"                },
    {"add",             "추가"             },
    {"reassess",        "재판단"          },
    {"drift",           "이탈 잦음"      },
    {"drift-over",      "이탈 줄어듦"   },
    {"activate",        "발효"             },
    {"reload",          "갱신"             },
    {"retire",          "폐기"             },
    {"revoke",          "취소"             },
    {"egress-refused",  "반출 차단"      },
    {"call-refused",    "호출 차단"      },
    {"create",          "만듦"             },
    {"confined",        "격리"             },
    {"import",          "가져옴"          },
    {"rollback",        "되돌림"          },
    {"shadow",          "견줌"             },
    {"shadow-end",      "견줌 끝"         },
    {"erase",           "파기"             },
    {"open",            "내용 열람"      },
    {"entry-bundle",    "묶음 열람"      },
    {"quorum-met",      "정족수 참"      },
    {"quorum-lost",     "정족수 모자람"},
    {"log-key-added",   "서명키 추가"   },
    {"log-key-retired", "서명키 물림"   },
};

#define KOREAN(words, name) korean(words, sizeof words / sizeof *words, name)

const char *
audit_korean(const char *name)
{
	const char *word = KOREAN(accesses, name);

	if (word == name)
		word = KOREAN(actions, name);
	return word == name ? KOREAN(kinds, name) : word;
}

static const char *
verdict_korean(const char *name)
{
	enum verdict verdict;

	return verdict_parse(&verdict, name) ? verdict_title(verdict) : name;
}

static const char *
domain_korean(const char *name)
{
	enum domain domain;

	return domain_parse(&domain, name) ? domain_title(domain) : name;
}

/* The first, and how many more. */
static const char *
domains_korean(char out[96], const struct query_row *row)
{
	size_t more = row->also[0] != '\0';

	if (more == 0)
		return domain_korean(row->domain);
	for (const char *at = row->also; *at != '\0'; at++)
		more += *at == ',';
	snprintf(out, 96, "%s +%zu", domain_korean(row->domain), more);
	return out;
}

void
audit_table_init(struct table *table)
{
	static const char *const titles[] = {
	    "번호 index",  "시각(한국) time", "종류 kind",   "결정 decision", "판정 verdict",
	    "동작 action", "영역 domain",     "기관 agency", "용도 usecase",  "항목 entry"};

	table_init(table, sizeof titles / sizeof *titles, titles);
	table->right[0] = true;
}

void
audit_row_table(struct table *table, const struct query_row *row)
{
	char index[24], time[COMMAND_TIME_SIZE], domains[96];
	const char *cells[] = {index,
	                       time,
	                       KOREAN(kinds, row->kind),
	                       KOREAN(accesses, row->access),
	                       verdict_korean(row->verdict),
	                       KOREAN(actions, row->action),
	                       domains_korean(domains, row),
	                       row->agency,
	                       row->usecase,
	                       row->id};

	snprintf(index, sizeof index, "%" PRIu64, row->index);
	command_time(time, row->wall_ms);
	table_row(table, cells);
}

void
audit_row_line(FILE *to, const struct query_row *row)
{
	char time[COMMAND_TIME_SIZE];
	const char *const parts[] = {KOREAN(accesses, row->access), verdict_korean(row->verdict),
	                             KOREAN(actions, row->action), row->usecase};

	command_time(time, row->wall_ms);
	fprintf(to, "%" PRIu64 "  %s  %s", row->index, time, KOREAN(kinds, row->kind));
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (parts[i][0] != '\0')
			fprintf(to, "  %s", parts[i]);
	fprintf(to, "  %s\n", row->id);
}

/* ---- verify ------------------------------------------------------------------------------------------------------ */

/* ,"parts":[…]: who reads only "holds" and "entries" is not told that old entries were read today. */
static void
parts_json(struct buffer *out, const struct verify_report *report, const struct verified *reached)
{
	bool first = true;

	buffer_printf(out, ",\"earlier\":%" PRIu64 ",\"parts\":[", report->earlier);
	for (size_t i = 0; i < verified_count(reached); i++) {
		const struct verified_log *log = verified_at(reached, i);

		for (size_t j = 0; j < log->part_count; j++) {
			char at[CLOCK_TEXT_SIZE];

			clock_text(at, log->parts[j].at_ms);
			buffer_string(out, first ? "{\"log\":" : ",{\"log\":");
			json_quote(out, slice_string(log->origin));
			buffer_printf(out, ",\"from\":%" PRIu64 ",\"to\":%" PRIu64 ",\"read_at\":\"%s\"}",
			              log->parts[j].from, log->parts[j].to, at);
			first = false;
		}
	}
	buffer_byte(out, ']');
}

void
audit_verify_json(FILE *to, const struct verify_report *report, const struct verified *reached,
                  int64_t took_ns)
{
	struct buffer out;

	buffer_init(&out, 4 * 1024 * 1024);
	buffer_printf(&out,
	              "{\"holds\":%s,\"logs\":%" PRIu64 ",\"entries\":%" PRIu64 ",\"bytes\":%" PRIu64
	              ",\"checkpoints\":%" PRIu64 ",\"tiles\":%" PRIu64 ",\"contents\":%" PRIu64
	              ",\"confirmed\":%" PRIu64 ",\"archives\":%" PRIu64 ",\"detached\":%" PRIu64
	              ",\"unseen\":%" PRIu64 ",\"keys\":\"%s\",\"witness\":%s,\"seconds\":%.3f",
	              report->broken ? "false" : "true", report->logs, report->entries, report->bytes,
	              report->heads, report->tiles, report->contents, report->confirmed, report->archives,
	              report->detached, report->unseen, report->outside_keys ? "outside" : "database",
	              report->outside_heads ? "true" : "false", (double)took_ns / 1e9);
	if (reached != NULL && !report->broken)
		parts_json(&out, report, reached);
	if (report->broken) {
		buffer_string(&out, ",\"first\":{\"log\":");
		json_quote(&out, slice_string(report->first.origin));
		if (report->first.has_index)
			buffer_printf(&out, ",\"index\":%" PRIu64, report->first.index);
		if (report->first.id[0] != '\0') {
			buffer_string(&out, ",\"id\":");
			json_quote(&out, slice_string(report->first.id));
		}
		buffer_string(&out, ",\"ko\":");
		json_quote(&out, slice_string(report->first.what.ko));
		buffer_string(&out, ",\"en\":");
		json_quote(&out, slice_string(report->first.what.en));
		buffer_byte(&out, '}');
	}
	buffer_string(&out, "}\n");
	if (buffer_ok(&out))
		fwrite(out.data, 1, out.size, to);
	buffer_free(&out);
}

/* Which entries were read when; the newest part of a log is this run's. */
static void
parts_text(FILE *to, const struct verify_report *report, const struct verified *reached)
{
	for (size_t i = 0; i < verified_count(reached); i++) {
		const struct verified_log *log = verified_at(reached, i);

		fprintf(to, "항목을 읽은 때(한국) / entries were read at: %s\n", log->origin);
		for (size_t j = 0; j < log->part_count; j++) {
			char at[COMMAND_TIME_SIZE];

			command_time(at, log->parts[j].at_ms);
			fprintf(to, "  %s  %" PRIu64 " - %" PRIu64 "\n", at, log->parts[j].from,
			        log->parts[j].to - 1);
		}
	}
	if (report->earlier > 0)
		fprintf(to,
		        "이어서 확인했습니다: 앞의 %" PRIu64
		        "건은 이번에 다시 읽지 않았고, 그때의 서명된 머리가 지금 기록의 앞부분임을 "
		        "증명했습니다. 처음부터: --full\n"
		        "gone on from an earlier run: the first %" PRIu64
		        " entries were not read again; the signed head of then was proven a prefix of the "
		        "log as it "
		        "is now. From the first entry: --full\n",
		        report->earlier, report->earlier);
}

void
audit_verify_text(FILE *to, const struct verify_report *report, const struct verified *reached,
                  int64_t took_ns)
{
	if (report->broken) {
		fprintf(to, "맞지 않습니다 (어긋난 첫 번째 것):\n  %s\n", report->first.what.ko);
		if (report->first.origin[0] != '\0')
			fprintf(to, "  기록 %s\n", report->first.origin);
		if (report->first.id[0] != '\0')
			fprintf(to, "  항목 %s\n", report->first.id);
		fprintf(to, "It does not hold (the first thing that does not):\n  %s\n\n",
		        report->first.what.en);
	} else {
		fputs(report->earlier > 0
		          ? "이번에 확인한 것은 모두 맞습니다.\nEverything looked at this time holds.\n\n"
		          : "모두 맞습니다.\nEverything holds.\n\n",
		      to);
	}
	fprintf(to,
	        "확인한 것 / checked: 기록 logs %" PRIu64 ", 항목 entries %" PRIu64 " (%" PRIu64
	        " bytes), 체크포인트 checkpoints %" PRIu64 ", 타일 tiles %" PRIu64
	        ", 봉인된 내용 sealed %" PRIu64 "; %.2f s\n",
	        report->logs, report->entries, report->bytes, report->heads, report->tiles, report->contents,
	        (double)took_ns / 1e9);
	if (reached != NULL && !report->broken)
		parts_text(to, report, reached);
	if (report->confirmed > 0)
		fprintf(to,
		        "밖에서 확인한 머리 %" PRIu64
		        "개(증인·시점확인)도 이 역사의 것입니다 (증인의 키는 --vkey 로)\n"
		        "%" PRIu64 " heads that were confirmed outside (cosigned, stamped) are of this "
		        "history (witnesses' keys: --vkey)\n",
		        report->confirmed, report->confirmed);
	if (report->detached > 0)
		fprintf(to,
		        "떼어 보관한 항목 %" PRIu64
		        "건은 남은 해시로 확인했고, 기록이 스스로 뗐다고 적어 두었습니다. 보관함 %" PRIu64
		        "개를 함께 확인했습니다.\n"
		        "detached: %" PRIu64
		        " entries by the hashes that stayed; the log itself recorded that they went. %" PRIu64
		        " archives were checked too.\n",
		        report->detached, report->archives, report->detached, report->archives);
	if (report->outside_keys)
		fputs("키: 데이터베이스 밖에서 준 키 파일\nkeys: from a file kept outside the database\n",
		      to);
	else
		fputs("키: 데이터베이스에 있는 것. 데이터베이스와 키가 함께 바뀌었다면 알 수 없습니다 "
		      "(--vkey)\n"
		      "keys: those in the database. If database and keys were replaced together, this cannot "
		      "tell (--vkey)\n",
		      to);
	if (!report->outside_heads)
		fputs("알 수 없는 것: 전체를 예전 상태로 되돌렸는지는 밖에 보관된 체크포인트로만 압니다 "
		      "(--witness)\n"
		      "not known: whether everything was rolled back to an earlier state; that takes a head "
		      "kept outside "
		      "(--witness)\n",
		      to);
	if (report->unseen > 0)
		fprintf(to,
		        "보지 않은 것: 주어지지 않은 보관함의 항목 %" PRIu64
		        "건의 바이트 (--archive 폴더). 그것이 서명된 바로 그 항목인지는 보관함이 오면 "
		        "드러납니다\n"
		        "not looked at: the bytes of %" PRIu64
		        " entries in archives that were not given (--archive DIR); whether those are the "
		        "signed ones will show\n",
		        report->unseen, report->unseen);
	fputs("보지 않은 것: 아직 데이터베이스로 옮겨지지 않은 저널의 항목, 봉인된 내용의 속; 지금의 용도·키 "
	      "등록부와 "
	      "검토 대기열 (결정 때의 용도와 다른지는 haechi replay)\n"
	      "not looked at: entries still in the journal and not yet shipped; what is inside sealed "
	      "content; the registry and the review queue of today (haechi replay compares uses with those "
	      "that were decided upon)\n",
	      to);
}
