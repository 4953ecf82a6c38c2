/* The files of a model: mapped, parsed, and, where a model was split, shown to be the parts of one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inference/weights.h"

static int
map_part(struct weights_part *part, const char *path, struct fault *why)
{
	struct stat status;
	/* Not to wait for a writer, should it be a pipe. */
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), result = -1;
	void *map;

	if (file == -1)
		return fault_errno(why, "모델 파일 %s", "model file %s", path);
	if (fstat(file, &status) == -1) {
		fault_errno(why, "모델 파일 %s", "model file %s", path);
		goto out;
	}
	if (!S_ISREG(status.st_mode) || status.st_size <= 0) {
		fault_set(why, FAULT_INVALID, "모델 파일 %s: 일반 파일이 아니거나 비어 있습니다",
		          "model file %s: not a regular file, or empty", path);
		goto out;
	}
	map = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	if (map == MAP_FAILED) {
		fault_errno(why, "모델 파일 %s", "model file %s", path);
		goto out;
	}
	part->bytes = slice_of(map, (size_t)status.st_size);
	snprintf(part->identity, sizeof part->identity, "%llx:%llx:%llx:%llx.%lx:%llx.%lx;",
	         (unsigned long long)status.st_dev, (unsigned long long)status.st_ino,
	         (unsigned long long)status.st_size, (unsigned long long)status.st_mtim.tv_sec,
	         status.st_mtim.tv_nsec, (unsigned long long)status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
	if (gguf_parse(&part->gguf, part->bytes, why) == -1) {
		fault_prefix(why, "%s", "%s", path);
		goto out;
	}
	result = 0;
out:
	close(file);
	return result;
}

/* Path of part `number` of `count`, made from the first one's name, "X-00001-of-00003.gguf". */
static bool
part_path(char *out, size_t size, const char *path, unsigned number, unsigned count)
{
	char ending[32];
	size_t length = strlen(path), tail;

	snprintf(ending, sizeof ending, "-00001-of-%05u.gguf", count);
	tail = strlen(ending);
	if (length < tail || length >= size || strcmp(path + length - tail, ending) != 0)
		return false;
	snprintf(out, size, "%.*s-%05u-of-%05u.gguf", (int)(length - tail), path, number, count);
	return true;
}

void
weights_close(struct weights *weights)
{
	if (weights == NULL)
		return;
	for (size_t i = 0; i < weights->count; i++) {
		gguf_free(&weights->parts[i].gguf);
		if (weights->parts[i].bytes.data != NULL)
			munmap((void *)(uintptr_t)weights->parts[i].bytes.data, weights->parts[i].bytes.size);
	}
	for (size_t i = 0; i < weights->copy_count; i++)
		free(weights->copies[i]);
	free(weights->copies);
	free(weights->bound);
	free(weights->parts);
	free(weights);
}

/* What each part says of itself must fit its name and what the first one says. */
static int
check_part(const struct weights *weights, unsigned number, const char *name, struct fault *why)
{
	const struct gguf *gguf = &weights->parts[number].gguf;
	int64_t says = -1, count = -1;

	gguf_integer(gguf_key(gguf, "split.no"), &says);
	gguf_integer(gguf_key(gguf, "split.count"), &count);
	if (says == number && count == (int64_t)weights->count)
		return 0;
	if (says == -1 && count == -1)
		return fault_set(why, FAULT_INVALID, "%s: 나뉜 모델의 부분이 아닙니다 (split.no가 없습니다)",
		                 "%s: not a part of a split model (it has no split.no)", name);
	return fault_set(why, FAULT_INVALID,
	                 "%s: 다른 모델의 부분입니다: %lld/%lld번째라고 하지만 %u/%zu번째여야 합니다",
	                 "%s: of another model: it says that it is part %lld of %lld, not %u of %zu", name,
	                 (long long)says + 1, (long long)count, number + 1, weights->count);
}

struct named {
	struct slice name;
	size_t part;
};

static int
by_name(const void *a, const void *b)
{
	return slice_compare(((const struct named *)a)->name, ((const struct named *)b)->name);
}

/* The parts together: as many tensors as the first one says, none twice. */
static int
check_whole(const struct weights *weights, const char *path, struct fault *why)
{
	const struct gguf *first = &weights->parts[0].gguf;
	struct named *names = NULL;
	int64_t says = -1;
	size_t count = 0, at = 0;
	int result = -1;

	for (size_t i = 0; i < weights->count; i++)
		count += weights->parts[i].gguf.tensor_count;
	if (gguf_integer(gguf_key(first, "split.tensors.count"), &says) && says != (int64_t)count)
		return fault_set(why, FAULT_INVALID,
		                 "%s: 부분 %zu개의 텐서는 모두 %zu개인데 %lld개여야 합니다",
		                 "%s: the %zu parts hold %zu tensors, not %lld", path, weights->count, count,
		                 (long long)says);
	if ((names = calloc(count + 1, sizeof *names)) == NULL)
		return fault_memory(why);
	for (size_t i = 0; i < weights->count; i++)
		for (size_t j = 0; j < weights->parts[i].gguf.tensor_count; j++)
			names[at++] = (struct named){weights->parts[i].gguf.tensors[j].name, i};
	qsort(names, count, sizeof *names, by_name);
	for (size_t i = 1; i < count; i++)
		if (slice_equal(names[i - 1].name, names[i].name)) {
			fault_set(why, FAULT_INVALID, "%s: 텐서 '%.*s'가 부분 %zu과(와) %zu에 모두 있습니다",
			          "%s: tensor '%.*s' is in part %zu and in part %zu", path,
			          SLICE_PRINT(names[i].name), names[i - 1].part + 1, names[i].part + 1);
			goto out;
		}
	result = 0;
out:
	free(names);
	return result;
}

/* The further parts of the model whose first part is mapped. */
static int
open_parts(struct weights *weights, const char *path, int64_t count, struct fault *why)
{
	int64_t number = 0;

	gguf_integer(gguf_key(&weights->parts[0].gguf, "split.no"), &number);
	if (number != 0 || count < 1 || count > GGUF_PARTS_LIMIT)
		return fault_set(why, FAULT_INVALID,
		                 "%s: 나뉜 모델의 첫 번째 파일을 지정하십시오 (이 파일은 %lld/%lld)",
		                 "%s: name the first file of a split model (this is %lld of %lld)", path,
		                 (long long)number + 1, (long long)count);
	weights->count = (size_t)count;
	for (unsigned i = 1; i < count; i++) {
		char name[4096];

		if (!part_path(name, sizeof name, path, i + 1, (unsigned)count))
			return fault_set(why, FAULT_INVALID,
			                 "%s: 나뉜 모델의 이름은 '-00001-of-%05u.gguf'로 끝나야 합니다",
			                 "%s: the name of a split model must end in '-00001-of-%05u.gguf'",
			                 path, (unsigned)count);
		if (map_part(&weights->parts[i], name, why) == -1) {
			fault_prefix(why, "나뉜 모델의 %u/%u번째 부분", "part %u of %u of a split model",
			             i + 1, (unsigned)count);
			return -1;
		}
		if (check_part(weights, i, name, why) == -1)
			return -1;
	}
	return check_whole(weights, path, why);
}

int
weights_open(struct weights **out, const char *path, struct fault *why)
{
	struct weights *weights = calloc(1, sizeof *weights);
	int64_t count = 1;
	int result = -1;

	if (weights == NULL || (weights->parts = calloc(GGUF_PARTS_LIMIT, sizeof *weights->parts)) == NULL) {
		fault_memory(why);
		goto out;
	}
	weights->count = 1;
	if (map_part(&weights->parts[0], path, why) == -1)
		goto out;
	if (gguf_integer(gguf_key(&weights->parts[0].gguf, "split.count"), &count) && count != 1 &&
	    open_parts(weights, path, count, why) == -1)
		goto out;
	*out = weights;
	weights = NULL;
	result = 0;
out:
	weights_close(weights);
	return result;
}
