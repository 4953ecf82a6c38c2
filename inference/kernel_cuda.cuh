/*
 * kernel_cuda -- what all kernels on a GPU share, and those between products; each is the twin of a loop on processors
 * and is compared with it.
 *
 * On the device a quantised matrix lies in planes, because blocks of 18, 22, 34 or 210 bytes could only be read byte
 * by byte: `quants` holds what is left of a block when its scale (and high bits, of Q5_0) went into planes of their
 * own. Q4_K and Q5_K blocks are multiples of 16 bytes and stay as in the file.
 *
 * Where the GPU can (9.0 and newer), a kernel is started while the one before still runs: begin() is the line before
 * which nothing may be read but weights, and nothing written. Every kernel calls it first, in all of its threads.
 */
#ifndef HAECHI_INFERENCE_KERNEL_CUDA_CUH
#define HAECHI_INFERENCE_KERNEL_CUDA_CUH

#include <stdint.h>

#define WARP 32

/* One matrix in device memory. */
struct planes {
	uint32_t type, rows, columns;
	const uint8_t *quants;
	const uint16_t *scales; /* half precision; NULL where they lie in the blocks */
	const uint32_t *high;   /* fifth bits of Q5_0 */
};

/* Activations of some tokens rounded to 8 bits, as quantised weights meet them. */
struct rounded {
	int8_t *quants; /* NULL: nobody needs them */
	float *scales;  /* per block of 32 */
	int32_t *sums;  /* of the quants, per 16 */
};

/* The forms in which activations are wanted by what comes next; NULL: not in this one. */
struct forms {
	float *values;
	uint16_t *brain; /* bfloat16 */
	struct rounded rounded;
};

__device__ static inline void
begin(void)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
	asm volatile("griddepcontrol.launch_dependents;");
	asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

/* Towards the second cache, before begin(): weights only. Lanes of a warp take lines in turn. */
__device__ static inline void
prefetch_weights(const uint8_t *from, size_t bytes)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
	for (size_t at = threadIdx.x % WARP * 128; at < bytes; at += WARP * 128)
		asm volatile("prefetch.global.L2 [%0];" ::"l"(from + at));
#else
	(void)from;
	(void)bytes;
#endif
}

/* Sixteen bytes that are read once in a step: they need no room in the first cache. */
__device__ static inline uint4
load_weights(const void *from)
{
#ifndef CUDA_EMULATED
	uint4 out;

	asm("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
	    : "=r"(out.x), "=r"(out.y), "=r"(out.z), "=r"(out.w)
	    : "l"(from));
	return out;
#else
	return *(const uint4 *)from;
#endif
}

__device__ static inline float
half_at(uint16_t bits)
{
	return __half2float(__ushort_as_half(bits));
}

__device__ static inline float
brain_at(uint16_t bits)
{
	return __uint_as_float((uint32_t)bits << 16);
}

/* To nearest even. */
__device__ static inline uint16_t
to_brain(float value)
{
	uint32_t bits = __float_as_uint(value);

	if ((bits & 0x7fffffffu) > 0x7f800000u)
		return 0x7fc0;
	return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

__device__ static inline float
warp_sum(float value)
{
	for (int step = WARP / 2; step > 0; step /= 2)
		value += __shfl_xor_sync(0xffffffffu, value, step);
	return value;
}

__device__ static inline float
warp_most(float value)
{
	for (int step = WARP / 2; step > 0; step /= 2)
		value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, step));
	return value;
}

/* Sum over the block; every thread gets it. `parts` has one float a warp, and may be used again after the call. */
__device__ static inline float
block_sum(float value, float *parts)
{
	float sum = 0;

	value = warp_sum(value);
	if (threadIdx.x % WARP == 0)
		parts[threadIdx.x / WARP] = value;
	__syncthreads();
	for (unsigned i = 0; i < blockDim.x / WARP; i++)
		sum += parts[i];
	__syncthreads();
	return sum;
}

/* ---- forms ------------------------------------------------------------------------------------------------------ */

/* To the eleven bits of a half, as in kernel_body.h. */
__device__ static inline float
as_half(float value)
{
	unsigned bits = __float_as_uint(value);

	return bits < 0x38800000u ? value : __uint_as_float((bits + 0xfffu + (bits >> 13 & 1u)) & ~0x1fffu);
}

/* A warp rounds 32 values, one a lane; `block` counts over all tokens. The twin of quantise() in kernel_body.h. */
__device__ static inline void
round_block(float value, const struct rounded *out, size_t block)
{
	unsigned lane = threadIdx.x % WARP;
	float most = warp_most(fabsf(value));
	float inverse = most > 0 && most < 3.0e38f ? 127.0f / most : 0.0f;
	int quant = __float2int_rn(value * inverse);
	int sum = quant;

	for (int step = 8; step > 0; step /= 2)
		sum += __shfl_xor_sync(0xffffffffu, sum, step);
	out->quants[block * 32 + lane] = (int8_t)quant;
	if (lane % 16 == 0)
		out->sums[block * 2 + lane / 16] = sum;
	if (lane == 0)
		out->scales[block] = as_half(most / 127.0f);
}

/* Where values are rounded, a warp stores 32 that lie together, the first at a multiple of 32. */
__device__ static inline void
store_forms(const struct forms *out, size_t at, float value)
{
	if (out->values != NULL)
		out->values[at] = value;
	if (out->brain != NULL)
		out->brain[at] = to_brain(value);
	if (out->rounded.quants != NULL)
		round_block(value, &out->rounded, at / 32);
}

/* Values in their other forms. Grid: blockDim.x values at a time. */
__global__ static void
make_forms(const float *values, size_t total, struct forms out)
{
	size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;

	begin();
	if (at < total)
		store_forms(&out, at, values[at]);
}

/* out = silu(gate) * up, which lie behind one another for each token. */
__global__ static void
gate_values(const float *both, unsigned ffn, size_t total, struct forms out)
{
	size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
	const float *gate = both + at / ffn * 2 * ffn + at % ffn;

	begin();
	if (at < total)
		store_forms(&out, at, gate[0] / (1.0f + expf(-gate[0])) * gate[ffn]);
}

/*
 * Activations as halves for tensor cores. They overflow at 65504 where a model's rare huge activations do not: a token
 * whose largest exceeds 16384 is divided by a power of two, undone by scale_rows(). A block a token.
 */
__global__ static void
to_halves(const float *values, uint16_t *out, unsigned columns, float *factors)
{
	__shared__ float parts[WARP];
	size_t at = (size_t)blockIdx.x * columns;
	float most = 0, factor = 1.0f;

	begin();
	for (unsigned i = threadIdx.x; i < columns; i += blockDim.x)
		most = fmaxf(most, fabsf(values[at + i]));
	most = warp_most(most);
	if (threadIdx.x % WARP == 0)
		parts[threadIdx.x / WARP] = most;
	__syncthreads();
	for (unsigned i = 0; i < blockDim.x / WARP; i++)
		most = fmaxf(most, parts[i]);
	while (most * factor > 16384.0f && factor > 1e-30f)
		factor *= 0.5f;
	for (unsigned i = threadIdx.x; i < columns; i += blockDim.x)
		out[at + i] = __half_as_ushort(__float2half_rn(values[at + i] * factor));
	if (threadIdx.x == 0)
		factors[blockIdx.x] = 1.0f / factor;
}

/* A block a token; where the factor is 1, as nearly always, nothing is read. */
__global__ static void
scale_rows(float *out, unsigned size, size_t stride, const float *factors, float factor)
{
	float by;

	begin();
	by = factors != NULL ? factors[blockIdx.x] : factor;
	if (by == 1.0f)
		return;
	for (unsigned i = threadIdx.x; i < size; i += blockDim.x)
		out[blockIdx.x * stride + i] *= by;
}

/* ---- between products ------------------------------------------------------------------------------------------- */

/*
 * x += scale * branch (normalised by post_norm where given), then out = x normalised by norm (or as it is). A block a
 * token; branch NULL: nothing is added.
 */
__global__ static void
add_and_norm(float *x, const float *branch, const float *post_norm, const float *norm, unsigned width, float epsilon,
             float scale, struct forms out)
{
	__shared__ float parts[WARP];
	size_t at = (size_t)blockIdx.x * width;
	float sum = 0, factor = 1.0f;

	begin();
	if (branch != NULL) {
		if (post_norm != NULL) {
			for (unsigned i = threadIdx.x; i < width; i += blockDim.x)
				sum += branch[at + i] * branch[at + i];
			factor = 1.0f / sqrtf(block_sum(sum, parts) / (float)width + epsilon);
		}
		sum = 0;
		for (unsigned i = threadIdx.x; i < width; i += blockDim.x) {
			float value = x[at + i] + scale * (branch[at + i] * factor *
			                                   (post_norm != NULL ? post_norm[i] : 1.0f));

			x[at + i] = value;
			sum += value * value;
		}
	} else {
		for (unsigned i = threadIdx.x; i < width; i += blockDim.x)
			sum += x[at + i] * x[at + i];
	}
	factor = 1.0f;
	if (norm != NULL)
		factor = 1.0f / sqrtf(block_sum(sum, parts) / (float)width + epsilon);
	/* Where they are rounded, rows are multiples of 32 and warps go by whole blocks. */
	for (unsigned i = threadIdx.x; i < width; i += blockDim.x)
		store_forms(&out, at + i, x[at + i] * factor * (norm != NULL ? norm[i] : 1.0f));
}

/* Rows `chosen[0..]` of x, normalised, one after the other. A block a chosen row. */
__global__ static void
norm_chosen(const float *x, const uint32_t *chosen, const float *norm, unsigned width, float epsilon, struct forms out)
{
	__shared__ float parts[WARP];
	const float *from;
	size_t at = (size_t)blockIdx.x * width;
	float sum = 0, factor;

	begin();
	from = x + (size_t)chosen[blockIdx.x] * width;
	for (unsigned i = threadIdx.x; i < width; i += blockDim.x)
		sum += from[i] * from[i];
	factor = 1.0f / sqrtf(block_sum(sum, parts) / (float)width + epsilon);
	for (unsigned i = threadIdx.x; i < width; i += blockDim.x)
		store_forms(&out, at + i, from[i] * factor * norm[i]);
}

/* The greatest of each row of logits, the first of equals. A block of BEST_THREADS a row. */
#define BEST_THREADS 512

__global__ static void
choose_best(const float *logits, unsigned vocabulary, uint32_t *best)
{
	__shared__ float values[BEST_THREADS];
	__shared__ uint32_t tokens[BEST_THREADS];
	const float *row = logits + (size_t)blockIdx.x * vocabulary;
	float most = -INFINITY;
	uint32_t token = 0;

	begin();
	for (uint32_t i = threadIdx.x; i < vocabulary; i += BEST_THREADS)
		if (row[i] > most) {
			most = row[i];
			token = i;
		}
	values[threadIdx.x] = most;
	tokens[threadIdx.x] = token;
	for (unsigned half = BEST_THREADS / 2; half > 0; half /= 2) {
		__syncthreads();
		if (threadIdx.x < half) {
			float other = values[threadIdx.x + half];

			token = tokens[threadIdx.x + half];
			if (other > values[threadIdx.x] ||
			    (other == values[threadIdx.x] && token < tokens[threadIdx.x])) {
				values[threadIdx.x] = other;
				tokens[threadIdx.x] = token;
			}
		}
	}
	if (threadIdx.x == 0)
		best[blockIdx.x] = tokens[0];
}

#endif
