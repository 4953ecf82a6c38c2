#include "inference/pages.h"

#include <stdlib.h>
#include <string.h>

#include "inference/model.h"

struct page {
	uint32_t holders;
	bool known;
	uint32_t next;         /* in its bucket, when known */
	uint32_t older, newer; /* among those that nobody holds */
	uint64_t serial, hash;
	struct page_name before;
	uint32_t tokens[CACHE_PAGE];
};

struct pages {
	size_t count, available;
	struct page *list;
	uint32_t *buckets;
	uint32_t mask;
	uint32_t oldest, newest; /* the idle ones */
	uint64_t serial;
};

static uint64_t
hash_page(const uint32_t *tokens, struct page_name before)
{
	uint64_t hash = before.serial * 0x9e3779b97f4a7c15u ^ before.page;

	for (unsigned i = 0; i < CACHE_PAGE; i++) {
		hash = (hash ^ tokens[i]) * 0xff51afd7ed558ccdu;
		hash ^= hash >> 32;
	}
	return hash;
}

/* Idle pages: what is known goes to the young end, what is worth nothing to the old one. */
static void
idle_add(struct pages *pages, uint32_t number)
{
	struct page *page = &pages->list[number];

	if (page->known) {
		page->older = pages->newest;
		page->newer = PAGE_NONE;
		if (pages->newest != PAGE_NONE)
			pages->list[pages->newest].newer = number;
		else
			pages->oldest = number;
		pages->newest = number;
	} else {
		page->newer = pages->oldest;
		page->older = PAGE_NONE;
		if (pages->oldest != PAGE_NONE)
			pages->list[pages->oldest].older = number;
		else
			pages->newest = number;
		pages->oldest = number;
	}
	pages->available++;
}

static void
idle_remove(struct pages *pages, uint32_t number)
{
	struct page *page = &pages->list[number];

	if (page->older != PAGE_NONE)
		pages->list[page->older].newer = page->newer;
	else
		pages->oldest = page->newer;
	if (page->newer != PAGE_NONE)
		pages->list[page->newer].older = page->older;
	else
		pages->newest = page->older;
	pages->available--;
}

struct pages *
pages_new(size_t count)
{
	struct pages *pages = calloc(1, sizeof *pages);
	uint32_t buckets = 64;

	while (buckets < count)
		buckets *= 2;
	if (pages == NULL || (pages->list = calloc(count, sizeof *pages->list)) == NULL ||
	    (pages->buckets = malloc(buckets * sizeof *pages->buckets)) == NULL) {
		pages_free(pages);
		return NULL;
	}
	memset(pages->buckets, 0xff, buckets * sizeof *pages->buckets);
	pages->mask = buckets - 1;
	pages->count = count;
	pages->oldest = pages->newest = PAGE_NONE;
	for (uint32_t i = (uint32_t)count; i-- > 0;)
		idle_add(pages, i);
	return pages;
}

void
pages_free(struct pages *pages)
{
	if (pages == NULL)
		return;
	free(pages->list);
	free(pages->buckets);
	free(pages);
}

size_t
pages_available(const struct pages *pages)
{
	return pages->available;
}

static void
forget(struct pages *pages, uint32_t number)
{
	struct page *page = &pages->list[number];
	uint32_t *at = &pages->buckets[page->hash & pages->mask];

	if (!page->known)
		return;
	while (*at != number)
		at = &pages->list[*at].next;
	*at = page->next;
	page->known = false;
}

uint32_t
pages_take(struct pages *pages)
{
	uint32_t number = pages->oldest;

	if (number == PAGE_NONE)
		return PAGE_NONE;
	idle_remove(pages, number);
	forget(pages, number);
	pages->list[number].holders = 1;
	pages->list[number].serial = ++pages->serial;
	return number;
}

void
pages_drop(struct pages *pages, uint32_t page)
{
	if (--pages->list[page].holders == 0)
		idle_add(pages, page);
}

static uint32_t
find(const struct pages *pages, const uint32_t *tokens, struct page_name before)
{
	uint64_t hash = hash_page(tokens, before);
	uint32_t at = pages->buckets[hash & pages->mask];

	for (; at != PAGE_NONE; at = pages->list[at].next) {
		const struct page *page = &pages->list[at];

		if (page->hash == hash && page->before.page == before.page &&
		    page->before.serial == before.serial &&
		    memcmp(page->tokens, tokens, sizeof page->tokens) == 0)
			break;
	}
	return at;
}

size_t
pages_match(struct pages *pages, uint64_t salt, const uint32_t *tokens, size_t most, uint32_t *out,
            struct page_name *last)
{
	size_t count = 0;

	*last = (struct page_name){PAGE_NONE, salt};
	for (; count < most; count++) {
		uint32_t number = find(pages, tokens + count * CACHE_PAGE, *last);

		if (number == PAGE_NONE)
			break;
		if (pages->list[number].holders++ == 0)
			idle_remove(pages, number);
		out[count] = number;
		*last = (struct page_name){number, pages->list[number].serial};
	}
	return count;
}

void
pages_publish(struct pages *pages, uint32_t number, const uint32_t *tokens, struct page_name *last)
{
	struct page *page = &pages->list[number];
	uint32_t equal = find(pages, tokens, *last);

	if (equal != PAGE_NONE) {
		*last = (struct page_name){equal, pages->list[equal].serial};
		return;
	}
	page->before = *last;
	page->hash = hash_page(tokens, *last);
	memcpy(page->tokens, tokens, sizeof page->tokens);
	page->next = pages->buckets[page->hash & pages->mask];
	pages->buckets[page->hash & pages->mask] = number;
	page->known = true;
	*last = (struct page_name){number, page->serial};
}
