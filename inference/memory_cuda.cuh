/*
 * memory_cuda -- the memory of a GPU, and how weights get there: blocks of a GGUF file into planes (kernel_cuda.cuh).
 */
#ifndef HAECHI_INFERENCE_MEMORY_CUDA_CUH
#define HAECHI_INFERENCE_MEMORY_CUDA_CUH

#include "inference/product_cuda.cuh"

/* Everything that was taken, to be given back together. */
struct device_memory {
	cudaStream_t stream;
	void **all;
	size_t count;
};

static int
device_fault(struct fault *why, cudaError_t error, const char *what)
{
	return fault_set(why, error == cudaErrorMemoryAllocation ? FAULT_MEMORY : FAULT_SYSTEM, "GPU: %s: %s",
	                 "GPU: %s: %s", what, cudaGetErrorString(error));
}

static double
in_gib(size_t bytes)
{
	return (double)bytes / 1073741824.0;
}

static int
take(struct device_memory *memory, void *out, size_t size, struct fault *why)
{
	void **grown = (void **)realloc(memory->all, (memory->count + 1) * sizeof *grown), *one;
	cudaError_t error;

	if (grown == NULL)
		return fault_memory(why);
	memory->all = grown;
	if ((error = cudaMalloc(&one, size > 0 ? size : 1)) != cudaSuccess) {
		size_t left = 0, all = 0;

		if (error != cudaErrorMemoryAllocation)
			return device_fault(why, error, "cudaMalloc");
		cudaMemGetInfo(&left, &all);
		return fault_set(why, FAULT_MEMORY,
		                 "GPU 메모리가 모자랍니다: %.2f GiB가 더 필요한데 %.2f GiB 중 %.2f GiB가 남았습니다. "
		                 "--parallel이나 --context를 줄이거나 --device cpu를 쓰십시오",
		                 "not enough GPU memory: %.2f GiB more are needed, of %.2f GiB there are %.2f GiB left; "
		                 "give less --parallel or --context, or use --device cpu",
		                 in_gib(size), in_gib(all), in_gib(left));
	}
	memory->all[memory->count++] = one;
	memcpy(out, &one, sizeof one);
	return 0;
}

static int
upload(struct device_memory *memory, const void *from, void *to, size_t size, struct fault *why)
{
	cudaError_t error = cudaMemcpyAsync(to, from, size, cudaMemcpyHostToDevice, memory->stream);

	if (error == cudaSuccess)
		error = cudaStreamSynchronize(memory->stream);
	return error == cudaSuccess ? 0 : device_fault(why, error, "upload");
}

static bool
is_float(uint32_t type)
{
	return type == QUANT_F32 || type == QUANT_F16 || type == QUANT_BF16;
}

/* A file's blocks into planes: `block` bytes each, of which `kept` go to quants, two to scales and four to high. */
static void
split_blocks(const struct matrix *matrix, uint8_t *quants, uint16_t *scales, uint32_t *high)
{
	const struct quant_kind *kind = quant_kind(matrix->type);
	const size_t blocks = (size_t)matrix->rows * (matrix->columns / kind->block), bytes = kind->bytes;
	const size_t extra = matrix->type == QUANT_Q5_0 ? 4 : 0, kept = bytes - 2 - extra;
	const bool behind = matrix->type == QUANT_Q6_K; /* the scale comes last */

	for (size_t i = 0; i < blocks; i++) {
		const uint8_t *from = matrix->data + i * bytes;

		memcpy(&scales[i], from + (behind ? kept : 0), 2);
		if (extra > 0)
			memcpy(&high[i], from + 2, 4);
		memcpy(quants + i * kept, from + (behind ? 0 : 2 + extra), kept);
	}
}

/*
 * `count` matrices of one shape and type, wherever they lie, as one of count times their rows: into memory that is
 * there, unless `to` is NULL: then it is taken.
 */
static int
send_matrices(struct device_memory *memory, struct model *model, const struct matrix *matrices, uint32_t count,
              uint8_t *to, struct planes *out, struct fault *why)
{
	const struct matrix *matrix = &matrices[0];
	const struct quant_kind *kind = quant_kind(matrix->type);
	const bool whole = is_float(matrix->type) || matrix->type == QUANT_Q4_K || matrix->type == QUANT_Q5_K;
	const size_t each = matrix->rows * matrix->row_size, bytes = count * each;
	const size_t blocks_each = (size_t)matrix->rows * (matrix->columns / kind->block), blocks = count * blocks_each;
	size_t kept, extra;
	uint8_t *split;
	int result = -1;

	if (to == NULL && take(memory, &to, bytes, why) == -1)
		return -1;
	out->type = matrix->type;
	out->rows = count * matrix->rows;
	out->columns = matrix->columns;
	out->quants = to;
	if (whole) {
		for (uint32_t i = 0; i < count; i++) {
			if (upload(memory, matrices[i].data, to + i * each, each, why) == -1)
				return -1;
			model_forget(model, &matrices[i]);
		}
		return 0;
	}
	extra = matrix->type == QUANT_Q5_0 ? 4 : 0;
	kept = kind->bytes - 2 - extra;
	/* One block of memory: quants, fifth bits, scales, each plane aligned by its own size. */
	if ((split = (uint8_t *)malloc(bytes)) == NULL)
		return fault_memory(why);
	for (uint32_t i = 0; i < count; i++)
		split_blocks(&matrices[i], split + i * blocks_each * kept,
		             (uint16_t *)(void *)(split + blocks * (kept + extra)) + i * blocks_each,
		             (uint32_t *)(void *)(split + blocks * kept) + i * blocks_each);
	if (upload(memory, split, to, bytes, why) == -1)
		goto out;
	out->high = extra > 0 ? (const uint32_t *)(const void *)(to + blocks * kept) : NULL;
	out->scales = (const uint16_t *)(const void *)(to + blocks * (kept + extra));
	for (uint32_t i = 0; i < count; i++)
		model_forget(model, &matrices[i]);
	result = 0;
out:
	free(split);
	return result;
}

/* Matrices of the same columns; floats of one type lie behind one another there, so that one product makes all. */
static int
send_bundle(struct device_memory *memory, struct model *model, const struct matrix *const *matrices, uint32_t count,
            struct bundle *out, struct fault *why)
{
	uint8_t *to = NULL;
	size_t bytes = 0;

	out->count = count;
	out->rows = 0;
	out->columns = matrices[0]->columns;
	out->joined = is_float(matrices[0]->type);
	for (uint32_t i = 0; i < count; i++) {
		out->rows += matrices[i]->rows;
		out->joined = out->joined && matrices[i]->type == matrices[0]->type;
		bytes += matrices[i]->rows * matrices[i]->row_size;
	}
	if (out->joined && take(memory, &to, bytes, why) == -1)
		return -1;
	for (uint32_t i = 0; i < count; i++) {
		if (send_matrices(memory, model, matrices[i], 1, to, &out->parts[i], why) == -1)
			return -1;
		if (to != NULL)
			to += matrices[i]->rows * matrices[i]->row_size;
	}
	return 0;
}

/* The matrices of `each` experts become one of more rows. */
static int
send_experts(struct device_memory *memory, struct model *model, const struct matrix *const *experts, uint32_t count,
             uint32_t each, struct bundle *out, struct fault *why)
{
	out->count = count;
	out->columns = experts[0]->columns;
	out->rows = count * experts[0]->rows;
	for (uint32_t i = 0; i < count; i++) {
		if ((uint64_t)experts[i]->rows * each > UINT32_MAX)
			return fault_set(why, FAULT_UNSUPPORTED, "전문가 %u명의 행 %u개는 GPU에 너무 많습니다",
			                 "%u experts of %u rows are too many for a GPU", each, experts[i]->rows);
		if (send_matrices(memory, model, experts[i], each, NULL, &out->parts[i], why) == -1)
			return -1;
	}
	return 0;
}

static int
send_floats(struct device_memory *memory, const float *from, size_t count, float **out, struct fault *why)
{
	*out = NULL;
	if (from == NULL)
		return 0;
	if (take(memory, out, count * sizeof *from, why) == -1)
		return -1;
	return upload(memory, from, *out, count * sizeof *from, why);
}

static void
give_back(struct device_memory *memory)
{
	for (size_t i = 0; i < memory->count; i++)
		cudaFree(memory->all[i]);
	free(memory->all);
}

#endif
