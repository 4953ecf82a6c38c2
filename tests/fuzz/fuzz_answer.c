/*
 * Answers of engines: never more data than came, an end at most once, and terminated texts.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct answer_reader reader;
	struct slice input, piece;
	size_t received = 0;
	unsigned heads = 0;

	if (size < 1)
		return 0;
	answer_reader_begin(&reader, data[0] & 1);
	input = slice_of(data + 1, size - 1);
	for (;;) {
		switch (answer_reader_next(&reader, &input, &piece)) {
		case ANSWER_HEAD:
			if (heads++ > 0 || reader.status < 200 || reader.status > 599 ||
			    memchr(reader.content_type, '\0', sizeof reader.content_type) == NULL)
				abort();
			continue;
		case ANSWER_DATA:
			received += piece.size;
			if (piece.size == 0 || received > size || heads != 1)
				abort();
			continue;
		case ANSWER_WHOLE:
			if (heads != 1 || answer_reader_next(&reader, &input, &piece) != ANSWER_WHOLE)
				abort();
			return 0;
		case ANSWER_MORE:
		case ANSWER_BROKEN:
			return 0;
		}
	}
}
