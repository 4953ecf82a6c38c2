#include "inference/shares.h"

#include <stdio.h>
#include <string.h>

static bool
is_active(const struct share *share)
{
	return share->waiting + share->running > 0;
}

void
shares_init(struct shares *shares)
{
	memset(shares, 0, sizeof *shares);
	shares->count = 1;
	shares->list[0] = (struct share){.fixed = true, .weight = 1, .queue_end = &shares->list[0].queue};
}

struct share *
shares_find(struct shares *shares, const char *name)
{
	struct share *room = NULL;

	for (size_t i = 0; i < shares->count; i++) {
		struct share *share = &shares->list[i];

		if (strcmp(share->name, name) == 0)
			return share;
		if (!share->fixed && !is_active(share) && (room == NULL || share->served < room->served))
			room = share; /* the one that would lose least by being forgotten */
	}
	if (shares->count < SHARES_LIMIT)
		room = &shares->list[shares->count++];
	if (room == NULL)
		return &shares->list[0];
	*room = (struct share){.weight = 1, .queue_end = &room->queue, .salt = ++shares->salts};
	snprintf(room->name, sizeof room->name, "%s", name);
	return room;
}

uint64_t
shares_salt(struct shares *shares, const struct share *share, const char *name)
{
	return strcmp(share->name, name) == 0 ? share->salt : ++shares->salts;
}

bool
shares_weigh(struct shares *shares, const char *name, uint32_t weight)
{
	struct share *share = shares_find(shares, name);

	if (strcmp(share->name, name) != 0)
		return false;
	share->fixed = true;
	share->weight = weight;
	return true;
}

void
shares_come(struct shares *shares, struct share *share)
{
	if (share->waiting == 0 && share->served < shares->now)
		share->served = shares->now;
	share->waiting++;
}

void
shares_begin(struct shares *shares, struct share *share)
{
	if (share->served > shares->now)
		shares->now = share->served;
	share->waiting--;
	share->running++;
}

void
shares_return(struct share *share)
{
	share->running--;
	share->waiting++;
}

void
shares_leave(struct share *share, bool running)
{
	if (running)
		share->running--;
	else
		share->waiting--;
}

void
shares_charge(struct share *share, size_t tokens)
{
	share->tokens += tokens;
	share->served += (double)tokens / share->weight;
}

struct share *
shares_next(struct shares *shares)
{
	struct share *next = NULL;

	for (size_t i = 0; i < shares->count; i++) {
		struct share *share = &shares->list[i];

		if (share->waiting > 0 && (next == NULL || share->served < next->served))
			next = share;
	}
	return next;
}

size_t
shares_ahead(const struct shares *shares, const struct share *share)
{
	size_t ahead = share->waiting;

	for (size_t i = 0; i < shares->count; i++) {
		const struct share *other = &shares->list[i];
		/* While this agency has one turn more than now wait, the other has so many. */
		size_t turns = ((share->waiting + 1) * other->weight + share->weight - 1) / share->weight;

		if (other != share)
			ahead += other->waiting < turns ? other->waiting : turns;
	}
	return ahead;
}

bool
shares_entitled(const struct shares *shares, const struct share *share, size_t limit)
{
	uint64_t weights = 0;
	size_t part;

	for (size_t i = 0; i < shares->count; i++)
		if (is_active(&shares->list[i]) || &shares->list[i] == share)
			weights += shares->list[i].weight;
	part = (size_t)(limit * share->weight / weights);
	return share->waiting < (part > 0 ? part : 1);
}
