/* Following what is said, byte by byte. */
#include "inference/constraint_inside.h"

#include <stdlib.h>
#include <string.h>

#define SPACES_LIMIT 1 /* a model must not wander off into white space */

void
constraint_free(struct constraint *constraint)
{
	if (constraint == NULL ||
	    (constraint->nodes != NULL && atomic_fetch_sub(&constraint->holders, 1) != 1))
		return;
	for (size_t i = 0; constraint->nodes != NULL && i < constraint->count; i++) {
		struct node *node = constraint->nodes[i];

		for (size_t j = 0; node->properties != NULL && j < node->count; j++)
			free((void *)(uintptr_t)node->properties[j].name.data);
		for (size_t j = 0; node->texts != NULL && j < node->count; j++)
			free((void *)(uintptr_t)node->texts[j].data);
		free(node->properties);
		free(node->texts);
		free(node->nodes);
		free(node->path);
		pattern_free(node->pattern);
		free(node);
	}
	free(constraint->nodes);
	free(constraint);
}

struct constraint *
constraint_hold(struct constraint *constraint)
{
	atomic_fetch_add(&constraint->holders, 1);
	return constraint;
}

void
constraint_begin(struct constraint_state *state, const struct constraint *constraint)
{
	state->constraint = constraint;
	state->count = 1;
	state->work = 0;
	state->threads[0].depth = 1;
	state->threads[0].spaces = 0;
	memset(&state->threads[0].frames[0], 0, sizeof state->threads[0].frames[0]);
	state->threads[0].frames[0].node = constraint->root;
}

static void
copy_thread(struct constraint_thread *to, const struct constraint_thread *from)
{
	to->depth = from->depth;
	to->spaces = from->spaces;
	memcpy(to->frames, from->frames, from->depth * sizeof *from->frames);
}

void
constraint_copy(struct constraint_state *to, const struct constraint_state *from)
{
	to->constraint = from->constraint;
	to->count = from->count;
	for (uint32_t i = 0; i < from->count; i++)
		copy_thread(&to->threads[i], &from->threads[i]);
}

/* ---- literals --------------------------------------------------------------------------------------------------- */

/* The array whose elements must differ, when this thread's value is one of them. */
static const struct constraint_frame *
unique_array(const struct constraint_state *state, const struct constraint_thread *thread)
{
	const struct constraint_frame *outer = thread->depth >= 2 ? &thread->frames[thread->depth - 2] : NULL;

	return outer != NULL && constraint_node(state, outer)->kind == NODE_ARRAY &&
	               constraint_node(state, outer)->unique
	           ? outer
	           : NULL;
}

/* Literals low..high-1 are alike in `count` bytes, and sorted: the first whose next byte is `byte` or greater. */
static uint32_t
literal_from(const struct node *node, uint32_t low, uint32_t high, uint32_t count, unsigned byte)
{
	while (low < high) {
		const uint32_t middle = low + (high - low) / 2;

		if (node->texts[middle].size <= count || node->texts[middle].data[count] < byte)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The literals that go on with `byte`. */
static bool
literal_byte(const struct constraint_state *state, const struct constraint_thread *thread,
             struct constraint_frame *frame, uint8_t byte)
{
	const struct node *node = constraint_node(state, frame);
	const struct constraint_frame *outer = unique_array(state, thread);
	uint32_t low = frame->low, high = frame->high;
	bool left = outer == NULL;

	low = literal_from(node, low, high, frame->count, byte);
	high = literal_from(node, low, high, frame->count, byte + 1u);
	for (uint32_t i = low; i < high && !left; i++)
		left = !(outer->number >> i & 1);
	if (low == high || !left)
		return false;
	frame->low = low;
	frame->high = high;
	frame->count++;
	return true;
}

static bool
literal_ends(const struct constraint_state *state, const struct constraint_thread *thread,
             const struct constraint_frame *frame)
{
	const struct constraint_frame *outer = unique_array(state, thread);

	return constraint_node(state, frame)->texts[frame->low].size == frame->count &&
	       (outer == NULL || !(outer->number >> frame->low & 1));
}

/* ---- values ----------------------------------------------------------------------------------------------------- */

void
constraint_leave_value(const struct constraint_state *state, struct constraint_thread *thread)
{
	const struct constraint_frame *frame = &thread->frames[thread->depth - 1];

	if (frame->phase == PHASE_LITERAL && unique_array(state, thread) != NULL)
		thread->frames[thread->depth - 2].number |= (uint64_t)1 << frame->low;
	thread->depth--;
}

static bool begin(struct constraint_state *state, struct constraint_thread *thread, uint8_t byte);

/* Every alternative that may begin with the byte goes its own way. */
static bool
begin_union(struct constraint_state *state, struct constraint_thread *thread, uint8_t byte)
{
	const struct constraint_frame before = thread->frames[thread->depth - 1];
	const struct node *node = constraint_node(state, &before);
	bool begun = false;

	for (size_t i = 0; i < node->count; i++) {
		struct constraint_thread *way = thread;

		if (!constraint_has_room(state, thread->depth - 1, node->nodes[i]))
			continue;
		if (begun) {
			if (state->count == CONSTRAINT_THREADS)
				break; /* one way less: what is let through is still right */
			way = &state->threads[state->count];
			copy_thread(way, thread);
			state->count++;
		}
		way->frames[way->depth - 1] = before;
		way->frames[way->depth - 1].node = node->nodes[i];
		if (begin(state, way, byte))
			begun = true;
		else if (way != thread)
			state->count--;
	}
	return begun;
}

/* The first byte of a value. */
static bool
begin(struct constraint_state *state, struct constraint_thread *thread, uint8_t byte)
{
	struct constraint_frame *frame = &thread->frames[thread->depth - 1];
	const struct node *node = constraint_node(state, frame);

	switch (node->kind) {
	case NODE_UNION:
		return begin_union(state, thread, byte);
	case NODE_LITERAL:
		frame->phase = PHASE_LITERAL;
		frame->high = (uint32_t)node->count;
		return literal_byte(state, thread, frame, byte);
	case NODE_OBJECT:
	case NODE_ARRAY:
		frame->phase = PHASE_FIRST;
		return byte == (node->kind == NODE_OBJECT ? '{' : '[');
	case NODE_TEXT:
		frame->phase = PHASE_TEXT;
		return byte == '"';
	default:
		return (byte == '-' || (byte >= '0' && byte <= '9')) && number_byte(node, frame, byte, true);
	}
}

/* A value within a container begins: a frame for it, which gets the byte. */
bool
constraint_enter_value(struct constraint_state *state, struct constraint_thread *thread, uint32_t node,
                       uint8_t byte)
{
	if (!constraint_has_room(state, thread->depth, node))
		return false;
	thread->frames[thread->depth - 1].phase = PHASE_VALUE;
	thread->frames[thread->depth++] = (struct constraint_frame){.node = node};
	return begin(state, thread, byte);
}

/* ---- arrays ----------------------------------------------------------------------------------------------------- */

static bool
element_may_come(const struct constraint_state *state, const struct constraint_thread *thread,
                 const struct node *node, const struct constraint_frame *frame)
{
	return frame->count < node->most &&
	       constraint_has_room(state, thread->depth,
	                           frame->count < node->count ? node->nodes[frame->count] : node->other);
}

static bool
array_byte(struct constraint_state *state, struct constraint_thread *thread, struct constraint_frame *frame,
           uint8_t byte)
{
	const struct node *node = constraint_node(state, frame);
	uint32_t element;

	if (byte == ']' && frame->phase != PHASE_NEXT) {
		if (frame->count < node->least)
			return false;
		constraint_leave_value(state, thread);
		return true;
	}
	if (!element_may_come(state, thread, node, frame))
		return false;
	if (frame->phase == PHASE_VALUE) {
		frame->phase = PHASE_NEXT;
		return byte == ',';
	}
	element = frame->count < node->count ? node->nodes[frame->count] : node->other;
	if (frame->count < UINT32_MAX - 1)
		frame->count++;
	return constraint_enter_value(state, thread, element, byte);
}

/* ---- bytes ------------------------------------------------------------------------------------------------------ */

static bool
advance(struct constraint_state *state, struct constraint_thread *thread, uint8_t byte)
{
	while (thread->depth > 0) {
		struct constraint_frame *frame = &thread->frames[thread->depth - 1];
		const struct node *node = constraint_node(state, frame);

		if (frame->phase == PHASE_LITERAL) {
			if (literal_byte(state, thread, frame, byte))
				return true;
			if (!literal_ends(state, thread, frame))
				return false;
			constraint_leave_value(state, thread); /* the byte is for who contains it */
			continue;
		}
		if (frame->phase >= NUMBER_MINUS) {
			if (number_byte(node, frame, byte, false))
				return true;
			if (!number_ends(node, frame))
				return false;
			constraint_leave_value(state, thread);
			continue;
		}
		if (frame->phase == PHASE_TEXT) {
			const int result = constraint_text_byte(node, frame, byte);

			if (result == 2)
				constraint_leave_value(state, thread);
			return result != 0;
		}
		if (frame->phase == PHASE_NAME)
			return constraint_object_byte(state, thread, frame, byte);
		if (byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r')
			return (thread->depth != 1 || frame->phase != PHASE_BEGIN) &&
			       ++thread->spaces <= SPACES_LIMIT;
		thread->spaces = 0;
		if (frame->phase == PHASE_BEGIN)
			return begin(state, thread, byte);
		return node->kind == NODE_OBJECT ? constraint_object_byte(state, thread, frame, byte)
		                                 : array_byte(state, thread, frame, byte);
	}
	return false;
}

static bool
same(const struct constraint_thread *one, const struct constraint_thread *other)
{
	return one->depth == other->depth && one->spaces == other->spaces &&
	       memcmp(one->frames, other->frames, one->depth * sizeof *one->frames) == 0;
}

static bool
feed_byte(struct constraint_state *state, uint8_t byte)
{
	const uint32_t count = state->count;
	bool held[CONSTRAINT_THREADS];
	uint32_t kept = 0;

	state->work += count > 1 ? (uint64_t)count * count / 8 + count : 1;
	for (uint32_t i = 0; i < count; i++)
		held[i] = advance(state, &state->threads[i], byte);
	for (uint32_t i = 0; i < state->count; i++) {
		bool keep = i >= count || held[i];

		for (uint32_t j = 0; j < kept && keep; j++) /* ways that have met again are one */
			keep = !same(&state->threads[j], &state->threads[i]);
		if (keep && kept++ != i)
			copy_thread(&state->threads[kept - 1], &state->threads[i]);
	}
	state->count = kept;
	return kept > 0;
}

bool
constraint_feed(struct constraint_state *state, struct slice bytes)
{
	for (size_t i = 0; i < bytes.size; i++)
		if (!feed_byte(state, bytes.data[i]))
			return false;
	return true;
}

size_t
constraint_plain(const struct constraint_state *state)
{
	const struct constraint_thread *thread = &state->threads[0];
	const struct constraint_frame *frame = thread->depth > 0 ? &thread->frames[thread->depth - 1] : NULL;
	const struct node *node = frame != NULL ? constraint_node(state, frame) : NULL;

	if (state->count != 1 || node == NULL || frame->phase != PHASE_TEXT || frame->detail != 0 ||
	    node->pattern != NULL)
		return 0;
	return node->most - frame->count;
}

static bool
thread_complete(const struct constraint_state *state, const struct constraint_thread *thread)
{
	const struct constraint_frame *frame = &thread->frames[0];

	if (thread->depth != 1)
		return thread->depth == 0;
	/* Numbers and literals have no end of their own. */
	if (frame->phase == PHASE_LITERAL)
		return literal_ends(state, thread, frame);
	return frame->phase >= NUMBER_MINUS && number_ends(constraint_node(state, frame), frame);
}

bool
constraint_complete(const struct constraint_state *state)
{
	for (uint32_t i = 0; i < state->count; i++)
		if (thread_complete(state, &state->threads[i]))
			return true;
	return false;
}

bool
constraint_ended(const struct constraint_state *state)
{
	for (uint32_t i = 0; i < state->count; i++) {
		const struct constraint_thread *thread = &state->threads[i];
		const struct constraint_frame *frame = &thread->frames[0];

		if (thread->depth == 0)
			continue;
		/* A literal that is whole, when no longer one begins like it. */
		if (thread->depth == 1 && frame->phase == PHASE_LITERAL && frame->high == frame->low + 1 &&
		    constraint_node(state, frame)->texts[frame->low].size == frame->count)
			continue;
		return false;
	}
	return state->count > 0;
}
