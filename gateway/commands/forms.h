/*
 * forms -- what officials need on paper about a use of AI: Markdown or HTML in Korean, out of the registered facts.
 *
 * Whatever the registry does not know is a line to be filled in by hand, never a guess.
 */
#ifndef HAECHI_GATEWAY_COMMANDS_FORMS_H
#define HAECHI_GATEWAY_COMMANDS_FORMS_H

#include "policy/policy.h"

/* 별지 서식: request for confirmation, Art. 33(2), Decree 25 (law 5.3). */
void form_confirmation(struct buffer *out, const struct usecase *usecase,
                       const struct assessment *assessment);
/*
 * The record of the review before provision, Art. 33(1) (law T10). `day` is "2026-03-02"; `schema` gives facts their titles, NULL: their
 * names.
 */
void form_self_review(struct buffer *out, const struct usecase *usecase, const struct assessment *assessment,
                      const char *bundle, const char *day, const json_t *schema);
/* The page to be published for high-impact AI, Art. 34, Decree 27(1) (law 5.4). */
void form_publication(struct buffer *out, const struct usecase *usecase, const struct assessment *assessment);
/* One of the above as a page of its own, for screen and A4; nothing is fetched. Also the status of a row of the law in words. */
void form_html(struct buffer *out, struct slice markdown);
/* "; 확인되지 않음 unverified" and the like behind a row of the law; "" for a verified one. */
const char *form_status(const char *status);

#endif
