/* Objects: names in the order of the schema, then others where there may be any. */
#include <string.h>

#include "inference/constraint_inside.h"

#define INDEX_NONE UINT32_MAX

/* Which properties may come next: from frame->high to before this. One that is required cannot be passed over. */
static uint32_t
reachable(const struct node *node, const struct constraint_frame *frame)
{
	uint32_t at = frame->high;

	while (at < node->count && !node->properties[at].required)
		at++;
	return at < node->count ? at + 1 : at;
}

/* A property that is reachable may come if its value can still be ended. */
static bool
has_room_for(const struct constraint_state *state, const struct constraint_thread *thread,
             const struct node *node, uint32_t property)
{
	return constraint_has_room(state, thread->depth, node->properties[property].node);
}

static bool
object_may_end(const struct node *node, const struct constraint_frame *frame)
{
	for (uint32_t i = frame->high; i < node->count; i++)
		if (node->properties[i].required)
			return false;
	return true;
}

/* Names beside the properties may come, once all that must come have come. */
static bool
is_open(const struct constraint_state *state, const struct constraint_thread *thread, const struct node *node,
        const struct constraint_frame *frame)
{
	return node->other != NODE_NONE && constraint_has_room(state, thread->depth, node->other) &&
	       object_may_end(node, frame);
}

/* Another name may begin. */
static bool
name_may_come(const struct constraint_state *state, const struct constraint_thread *thread,
              const struct node *node, const struct constraint_frame *frame)
{
	if (is_open(state, thread, node, frame))
		return true;
	for (uint32_t i = frame->high, end = reachable(node, frame); i < end; i++)
		if (has_room_for(state, thread, node, i))
			return true;
	return false;
}

/* A property whose name goes on from that of frame->low with `byte`. */
static uint32_t
name_with(struct constraint_state *state, const struct constraint_thread *thread, const struct node *node,
          const struct constraint_frame *frame, uint8_t byte, bool open)
{
	const struct slice so_far = frame->low != INDEX_NONE
	                                ? slice_of(node->properties[frame->low].name.data, frame->count)
	                                : slice_of(NULL, 0);
	const uint32_t from = open ? 0 : frame->high,
	               end = open ? (uint32_t)node->count : reachable(node, frame);

	if (frame->low == INDEX_NONE)
		return INDEX_NONE;
	state->work += (end - from) / 8;
	for (uint32_t i = from; i < end; i++) {
		const struct slice name = node->properties[i].name;

		if (name.size > so_far.size && name.data[so_far.size] == byte &&
		    memcmp(name.data, so_far.data, so_far.size) == 0 &&
		    (open || has_room_for(state, thread, node, i)))
			return i;
	}
	return INDEX_NONE;
}

static bool
name_byte(struct constraint_state *state, const struct constraint_thread *thread, const struct node *node,
          struct constraint_frame *frame, uint8_t byte)
{
	static const struct node any_text = {.kind = NODE_TEXT, .most = SIZE_MAX};
	const bool open = is_open(state, thread, node, frame);
	const uint32_t known = name_with(state, thread, node, frame, byte, open);
	struct constraint_frame text = {.detail = frame->detail, .number = frame->number};
	int result;

	if (known == INDEX_NONE) {
		/* Another name: no escapes, so that none can be one of the properties in disguise. */
		if (!open || byte == '\\' || (frame->detail != 0 && !(frame->detail & DETAIL_CHARACTER)))
			return false;
	}
	if ((result = constraint_text_byte(&any_text, &text, byte)) == 0)
		return false;
	frame->detail = text.detail;
	frame->number = text.number;
	frame->low = known;
	frame->count++;
	if (result == 1)
		return true;
	if (known != INDEX_NONE && node->properties[known].name.size == frame->count) {
		if (known < frame->high || known >= reachable(node, frame) ||
		    !has_room_for(state, thread, node, known))
			return false;
		frame->high = known + 1;
	} else {
		frame->low = INDEX_NONE;
	}
	frame->phase = PHASE_COLON;
	return true;
}

bool
constraint_object_byte(struct constraint_state *state, struct constraint_thread *thread,
                       struct constraint_frame *frame, uint8_t byte)
{
	const struct node *node = constraint_node(state, frame);

	switch (frame->phase) {
	case PHASE_FIRST:
	case PHASE_NEXT:
		if (byte == '}' && frame->phase == PHASE_FIRST && object_may_end(node, frame)) {
			constraint_leave_value(state, thread);
			return true;
		}
		if (byte != '"' || !name_may_come(state, thread, node, frame))
			return false;
		frame->phase = PHASE_NAME;
		frame->low = node->count > 0 ? 0 : INDEX_NONE; /* all begin with their quote */
		frame->count = 1;
		frame->detail = 0;
		return true;
	case PHASE_NAME:
		return name_byte(state, thread, node, frame, byte);
	case PHASE_COLON:
		if (byte != ':')
			return false;
		frame->phase = PHASE_DUE;
		return true;
	case PHASE_VALUE:
		if (byte == ',' && name_may_come(state, thread, node, frame)) {
			frame->phase = PHASE_NEXT;
			return true;
		}
		if (byte == '}' && object_may_end(node, frame)) {
			constraint_leave_value(state, thread);
			return true;
		}
		return false;
	default:
		return constraint_enter_value(
		    state, thread, frame->low != INDEX_NONE ? node->properties[frame->low].node : node->other,
		    byte);
	}
}
