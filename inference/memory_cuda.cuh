/*
 * memory_cuda -- the memory of a GPU, and how weights get there: blocks of a GGUF file into planes (kernel_cuda.cuh).
 */
#ifndef HAECHI_INFERENCE_MEMORY_CUDA_CUH
#define HAECHI_INFERENCE_MEMORY_CUDA_CUH

#include "inference/kernel_cuda.cuh"

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

static int
take(struct device_memory *memory, void *out, size_t size, struct fault *why)
{
	void **grown = (void **)realloc(memory->all, (memory->count + 1) * sizeof *grown), *one;
	cudaError_t error;

	if (grown == NULL)
		return fault_memory(why);
	memory->all = grown;
	if ((error = cudaMalloc(&one, size > 0 ? size : 1)) != cudaSuccess) {
		fault_set(why, FAULT_MEMORY, "GPU 메모리 %zu바이트를 얻을 수 없습니다: %s",
		          "cannot get %zu bytes of GPU memory: %s", size, cudaGetErrorString(error));
		return -1;
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

static int
send_matrix(struct device_memory *memory, struct model *model, const struct matrix *matrix, struct planes *out, struct fault *why)
{
	const struct quant_kind *kind = quant_kind(matrix->type);
	const bool whole = is_float(matrix->type) || matrix->type == QUANT_Q4_K || matrix->type == QUANT_Q5_K;
	const size_t bytes = matrix->rows * matrix->row_size;
	size_t blocks, kept, extra;
	uint8_t *quants, *split;
	int result = -1;

	out->type = matrix->type;
	out->rows = matrix->rows;
	out->columns = matrix->columns;
	if (whole) {
		if (take(memory, &quants, bytes, why) == -1 ||
		    upload(memory, matrix->data, quants, bytes, why) == -1)
			return -1;
		out->quants = quants;
		model_forget(model, matrix);
		return 0;
	}
	blocks = (size_t)matrix->rows * (matrix->columns / kind->block);
	extra = matrix->type == QUANT_Q5_0 ? 4 : 0;
	kept = kind->bytes - 2 - extra;
	/* One block of memory: quants, fifth bits, scales, each plane aligned by its own size. */
	if ((split = (uint8_t *)malloc(bytes)) == NULL)
		return fault_memory(why);
	split_blocks(matrix, split, (uint16_t *)(void *)(split + blocks * (kept + extra)),
	             (uint32_t *)(void *)(split + blocks * kept));
	if (take(memory, &quants, bytes, why) == -1 || upload(memory, split, quants, bytes, why) == -1)
		goto out;
	out->quants = quants;
	out->high = extra > 0 ? (const uint32_t *)(const void *)(quants + blocks * kept) : NULL;
	out->scales = (const uint16_t *)(const void *)(quants + blocks * (kept + extra));
	model_forget(model, matrix);
	result = 0;
out:
	free(split);
	return result;
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
