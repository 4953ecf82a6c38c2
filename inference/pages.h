/*
 * pages -- who uses which page of the cache, and what full pages hold, so that a prompt which begins like an earlier
 * one is computed only from where it differs.
 *
 * A page is found again by its 64 tokens and the very page before it, compared and not only hashed: two prompts can
 * never be mistaken for one another. The first page of a prompt follows its agency's salt, so that nobody learns from
 * how soon his answer comes what another agency has asked. Pages that nobody uses stay until their room is needed, oldest first.
 */
#ifndef HAECHI_INFERENCE_PAGES_H
#define HAECHI_INFERENCE_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_NONE UINT32_MAX

struct pages;

/*
 * A page as it was at some time: the serial changes when it is used for something else. PAGE_NONE with a salt as its
 * serial is what stands before the first page.
 */
struct page_name {
	uint32_t page;
	uint64_t serial;
};

struct pages *pages_new(size_t count); /* NULL: no memory */
void pages_free(struct pages *pages);  /* NULL is fine */

/* Pages that could be taken now. */
size_t pages_available(const struct pages *pages);
/* A page of one's own, or PAGE_NONE. */
uint32_t pages_take(struct pages *pages);
void pages_drop(struct pages *pages, uint32_t page);
/*
 * Hold every known page that begins these tokens, at most `most`: into out[], and the name of the last into *last.
 * Returns how many; each is to be dropped.
 */
size_t pages_match(struct pages *pages, uint64_t salt, const uint32_t *tokens, size_t most, uint32_t *out,
                   struct page_name *last);
/* Make a full page known, behind *last, which becomes its name (or that of its equal, if one was known before). */
void pages_publish(struct pages *pages, uint32_t page, const uint32_t *tokens, struct page_name *last);

#endif
