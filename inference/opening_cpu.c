/* opening_cpu -- a model made ready for processors: threads, weights repacked, the cache, memory to work in. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "inference/crew.h"
#include "inference/forward_cpu.h"

#define TINY_MODEL  ((uint64_t)12 << 20) /* weights below stay in one core's cache: a second one only costs */
#define PACK_GROUPS 64                   /* packed at once: a few megabytes at most */

struct packing {
	struct model *model;
	const struct matrix *matrix;
	uint8_t *out;
};

static void
pack_chunk(void *argument, size_t index, size_t member)
{
	struct packing *packing = argument;
	const struct matrix *matrix = packing->matrix;
	size_t groups = matrix_groups(matrix), first = index * PACK_GROUPS, last = first + PACK_GROUPS;
	struct matrix done = *matrix;

	(void)member;
	last = last < groups ? last : groups;
	kernel_pack(matrix, first, last, packing->out);
	/* The mapped original is only a second copy now; single rows of embeddings come back when asked for. */
	done.data += first * KERNEL_GROUP * matrix->row_size;
	done.rows = (uint32_t)((last < groups ? last * KERNEL_GROUP : matrix->rows) - first * KERNEL_GROUP);
	model_forget(packing->model, &done);
}

static int
pack_all(struct runner *runner, struct fault *why)
{
	struct model *model = runner->model;
	struct matrix **matrices = calloc(model_matrices(model, NULL), sizeof *matrices);
	size_t count, total = 0;

	if (matrices == NULL)
		return fault_memory(why);
	count = model_matrices(model, matrices);
	for (size_t i = 0; i < count; i++)
		total += (kernel_packed_size(matrices[i]) + 63) / 64 * 64;
	if (total > 0) {
		/* Room behind the end for prefetches is not needed: they never fault. */
		runner->packed =
		    mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (runner->packed == MAP_FAILED) {
			runner->packed = NULL;
			free(matrices);
			return fault_errno(why, "가중치를 재배열할 메모리 %zu바이트",
			                   "%zu bytes for repacked weights", total);
		}
		runner->packed_size = total;
		madvise(runner->packed, total, MADV_HUGEPAGE);
	}
	total = 0;
	for (size_t i = 0; i < count; i++) {
		struct packing packing = {.model = model, .matrix = matrices[i]};
		size_t size = kernel_packed_size(matrices[i]);

		if (size == 0)
			continue;
		packing.out = runner->packed + total;
		crew_share(runner->crew, (matrix_groups(matrices[i]) + PACK_GROUPS - 1) / PACK_GROUPS,
		           pack_chunk, &packing);
		matrices[i]->packed = packing.out;
		total += (size + 63) / 64 * 64;
	}
	free(matrices);
	return 0;
}

static int
take_scratch(struct runner *runner, const struct runner_options *options, struct fault *why)
{
	const struct shape *shape = &runner->model->shape;
	size_t rows = runner->rows, width = shape->width, experts = shape->experts;
	size_t ffn = shape->ffn > shape->expert_ffn ? shape->ffn : shape->expert_ffn;
	size_t q = (size_t)shape->heads * shape->head_size, k = (size_t)shape->kv_heads * shape->head_size;
	size_t v = k, mixed = (size_t)shape->heads * shape->value_size;
	size_t widest = width > mixed ? width : mixed, members = crew_size(runner->crew), total = 0;
	float **parts[] = {&runner->x,        &runner->normed, &runner->q,      &runner->k,
	                   &runner->v,        &runner->mixed,  &runner->branch, &runner->gate,
	                   &runner->up,       &runner->turns,  &runner->scores, &runner->routed,
	                   &runner->gathered, &runner->part,   &runner->benches};

	if (shape->latent > 0) {
		k = runner_cache_values(shape);
		v = 0;
	}
	for (uint32_t i = 0; shape->latent > 0 && i < shape->layers; i++)
		v = runner->model->layers[i].latent->query.rows > v
		        ? runner->model->layers[i].latent->query.rows
		        : v;
	widest = widest > v ? widest : v;
	ffn = ffn > shape->shared_ffn ? ffn : shape->shared_ffn;
	widest = widest > ffn ? widest : ffn;
	runner->scores_size = (shape->latent > 0 ? LATENT_HEADS : ATTENTION_ROWS) *
	                      ((options->context + 2 * CACHE_PAGE) / CACHE_PAGE * CACHE_PAGE);
	{
		size_t sizes[] = {rows * width,
		                  rows * width,
		                  rows * q,
		                  rows * k,
		                  rows * v,
		                  rows * mixed,
		                  rows * width,
		                  rows * ffn,
		                  rows * ffn,
		                  rows * shape->rotated,
		                  members * runner->scores_size,
		                  rows * experts,
		                  experts > 0 ? rows * width : 0,
		                  experts > 0 ? rows * width : 0,
		                  members * latent_scratch(shape)};

		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
			total += (sizes[i] + 15) / 16 * 16;
		total += activations_lay_out(NULL, rows, widest, NULL) / sizeof *runner->memory + 64;
		if ((runner->memory = aligned_alloc(64, (total * 4 + 63) / 64 * 64)) == NULL)
			return fault_memory(why);
		total = 0;
		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
			*parts[i] = runner->memory + total;
			total += (sizes[i] + 15) / 16 * 16;
		}
	}
	activations_lay_out(&runner->in, rows, widest, runner->memory + total);
	return 0;
}

static void
cpu_close(struct runner *runner)
{
	if (runner == NULL)
		return;
	crew_stop(runner->crew);
	if (runner->packed != NULL)
		munmap(runner->packed, runner->packed_size);
	if (runner->cache != NULL)
		munmap(runner->cache, runner->cache_size);
	free(runner->memory);
	free(runner);
}

static int
cpu_open(struct runner **out, struct model *model, const struct runner_options *options, struct fault *why)
{
	struct runner *runner = calloc(1, sizeof *runner);
	size_t threads = options->threads, kinds; /* of what is cached: keys and values, or one latent */
	int result = -1;

	if (runner == NULL)
		return fault_memory(why);
	if (model->shape.latent == 0 && model->shape.head_size > 512) {
		fault_set(why, FAULT_UNSUPPORTED, "어텐션 헤드 크기 %u은(는) 512를 넘어 지원하지 않습니다",
		          "attention heads of %u values are not supported (at most 512)",
		          model->shape.head_size);
		goto out;
	}
	runner->model = model;
	if ((runner->kernels = kernels_named(options->narrow ? "plain" : options->kernels, why)) == NULL)
		goto out;
	runner->rows = options->rows;
	runner->half = runner_cache_bits(model, options) == 16;
	runner->narrow = options->narrow;
	if (threads == 0)
		threads = model->weight_bytes < TINY_MODEL ? 1 : crew_processors();
	if (crew_start(&runner->crew, threads, why) == -1)
		goto out;
	snprintf(runner->description, sizeof runner->description, "%s, %zu thread%s", runner->kernels->name,
	         crew_size(runner->crew), crew_size(runner->crew) == 1 ? "" : "s");
	if (runner->kernels->packs && pack_all(runner, why) == -1)
		goto out;
	kinds = model->shape.latent > 0 ? 1 : 2;
	runner->page_bytes = runner_cache_values(&model->shape) / kinds * CACHE_PAGE * (runner->half ? 2 : 4);
	runner->layer_bytes = runner->page_bytes * options->pages;
	runner->cache_size = runner->layer_bytes * kinds * model->shape.layers;
	/* Untouched pages cost nothing: the cache grows as it is used, up to what was configured. */
	runner->cache = mmap(NULL, runner->cache_size, PROT_READ | PROT_WRITE,
	                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (runner->cache == MAP_FAILED) {
		runner->cache = NULL;
		fault_errno(why, "KV 캐시 %zu바이트", "%zu bytes of cache", runner->cache_size);
		goto out;
	}
	if (take_scratch(runner, options, why) == -1)
		goto out;
	*out = runner;
	runner = NULL;
	result = 0;
out:
	cpu_close(runner);
	return result;
}

static const char *
cpu_describe(const struct runner *runner)
{
	return runner->description;
}

/* A quarter of the machine's memory. */
static size_t
cpu_cache_room(const struct model *model)
{
	(void)model;
	return (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE) / 4;
}

const struct runner_kind runner_cpu = {
    .name = "cpu",
    .step_rows = 512,
    .prompt_rows = 128,
    .open = cpu_open,
    .forward = cpu_forward,
    .describe = cpu_describe,
    .page_bytes = runner_page_bytes,
    .cache_room = cpu_cache_room,
    .close = cpu_close,
};
