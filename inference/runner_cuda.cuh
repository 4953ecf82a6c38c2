/*
 * runner_cuda -- what a GPU's runner holds, how kernels are launched, and how a product finds its kernel.
 */
#ifndef HAECHI_INFERENCE_RUNNER_CUDA_CUH
#define HAECHI_INFERENCE_RUNNER_CUDA_CUH

#include "inference/attention_cuda.cuh"
#include "inference/experts_cuda.cuh"
#include "inference/memory_cuda.cuh"

#define PRODUCT_TOKENS 32  /* most that our own kernels of quantised weights take; more go to tensor cores */
#define HEAD_ROWS      64  /* logits made and fetched at a time */
#define GRAPH_ROWS     64  /* steps of at most so many rows are recorded */
#define TILE_LEAST     16  /* rows of one sequence for which a tile pays */
#define MIXTURE_ROWS   512 /* tokens that go through a mixture together */
#define SPLITS_MOST    32
#define RANGES_MOST    256
#define BLAS_WORKSPACE ((size_t)32 << 20)

struct blas {
	cublasHandle_t handle;
	cublasStatus_t (*multiply)(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int, int, const void *,
	                           const void *, cudaDataType, int, const void *, cudaDataType, int, const void *,
	                           void *, cudaDataType, int, cublasComputeType_t, cublasGemmAlgo_t);
#ifndef CUDA_EMULATED
	cublasStatus_t (*destroy)(cublasHandle_t);
#endif
};

struct device_layer {
	struct bundle qkv, output;
	struct bundle gate_up, down;    /* of a mixture: the network that all tokens share; rows 0: none */
	struct bundle router;           /* rows 0: no mixture */
	struct bundle expert_gate_up, expert_down; /* all of them, one behind the other */
	float *router_bias;
	float *attention_norm, *ffn_norm, *attention_post_norm, *ffn_post_norm;
	float *q_norm, *k_norm, *q_bias, *k_bias, *v_bias;
};

/* What goes up with a step, the same layout here and there. */
struct inputs {
	struct device_row *rows;
	struct device_tile *tiles;
	uint32_t *chosen, *pages;
};

/* A step of so many rows, split so: first it is run, then recorded, then replayed. */
struct recording {
	cudaGraphExec_t graph;
	bool ran;
};

struct runner {
	struct model *model;
	size_t rows; /* most of one step */
	size_t table_length;
	bool half, woven; /* the cache */
	bool overlap;     /* kernels begin while the one before ends */
	bool records;
	unsigned processors;
	char description[320];

	struct blas blas;
#ifndef CUDA_EMULATED
	cudaLaunchAttribute attribute;
#endif
	struct recording recordings[GRAPH_ROWS + 1][6]; /* by rows, and by the logarithm of splits */
	struct device_layer *layers;
	struct bundle head;
	struct planes embedding;
	float *output_norm;
	double *frequencies;
	uint8_t *cache;
	size_t layer_bytes; /* of one layer's keys */

	uint8_t *staging, *arrived; /* pinned here; there */
	size_t staging_size;
	struct inputs here, there;
	size_t pages_used;

	float *x, *turns, *qkv, *branch, *both, *logits, *factors;
	struct forms normed, gated; /* room in every form; `normed` is also what attention makes */
	uint32_t *best;
	struct partials partials;
	size_t partial_count;         /* rows times splits */
	uint16_t *halves, *unpacked;  /* activations; weights of one bundle */
	const float *halves_of;       /* which activations are in there; NULL: none */

	/* of mixtures */
	size_t mixture_rows;
	float *scores, *expert_weights, *expert_both, *parts;
	uint32_t *chosen_experts, *order;
	struct expert_group *groups;
	struct forms expert_gated;

	void *blas_workspace;
	struct device_memory memory;
};

/* ---- the GPU's word ------------------------------------------------------------------------------------------------- */

static void
must(cudaError_t error, const char *what)
{
	if (error == cudaSuccess)
		return;
	fprintf(stderr, "haechi-engine: GPU 오류로 멈춥니다: %s: %s\nhaechi-engine: the GPU failed: %s: %s\n", what,
	        cudaGetErrorString(error), what, cudaGetErrorString(error));
	abort();
}

#ifndef CUDA_EMULATED
static cudaLaunchConfig_t
launch_config(struct runner *runner, dim3 grid, dim3 block, size_t bytes)
{
	cudaLaunchConfig_t config = {};

	config.gridDim = grid;
	config.blockDim = block;
	config.dynamicSmemBytes = bytes;
	config.stream = runner->memory.stream;
	config.attrs = &runner->attribute;
	config.numAttrs = runner->overlap ? 1 : 0;
	return config;
}

#define LAUNCH(kernel, grid, block, bytes, runner, ...)                                                      \
	do {                                                                                                 \
		const cudaLaunchConfig_t config_ = launch_config(runner, grid, block, bytes);                \
		must(cudaLaunchKernelEx(&config_, kernel, __VA_ARGS__), #kernel);                            \
	} while (0)
#endif

static unsigned
blocks_of(size_t items, unsigned each)
{
	return (unsigned)((items + each - 1) / each);
}

/* Threads for a block that goes over rows of `width`. */
static unsigned
threads_for(size_t width)
{
	return width >= 2048 ? 1024 : 256;
}

/* ---- products ------------------------------------------------------------------------------------------------------- */

/* What the products of `count` tokens by a bundle read: forms that hold nobody's wish stay NULL. */
static void
want_forms(const struct bundle *bundle, size_t count, const struct forms *room, struct forms *out)
{
	for (uint32_t i = 0; i < bundle->count; i++) {
		const uint32_t type = bundle->parts[i].type;

		if (type == QUANT_BF16 && count > 1)
			out->brain = room->brain;
		else if (is_float(type) || count > PRODUCT_TOKENS)
			out->values = room->values;
		if (!is_float(type))
			out->rounded = room->rounded;
	}
}

static struct forms
forms_for(struct runner *runner, const struct bundle *bundle, size_t count, const struct forms *room)
{
	struct forms out = {NULL, NULL, {NULL, NULL, NULL}};

	/* New activations: the old ones' halves are of no use. */
	runner->halves_of = NULL;
	want_forms(bundle, count, room, &out);
	/* Many tokens meet weights that are unpacked. */
	if (count > PRODUCT_TOKENS && bundle != &runner->head)
		out.rounded.quants = NULL;
	return out;
}

static void
multiply_blas(struct runner *runner, const void *weights, uint32_t type, size_t rows, size_t columns, const void *in,
              size_t count, float *out, size_t stride)
{
	const float one = 1, zero = 0;
	const cudaDataType kind = type == QUANT_F32 ? CUDA_R_32F : type == QUANT_F16 ? CUDA_R_16F : CUDA_R_16BF;
	cublasStatus_t status = runner->blas.multiply(
	    runner->blas.handle, CUBLAS_OP_T, CUBLAS_OP_N, (int)rows, (int)count, (int)columns, &one, weights, kind,
	    (int)columns, in, kind, (int)columns, &zero, out, CUDA_R_32F, (int)stride, CUBLAS_COMPUTE_32F,
	    CUBLAS_GEMM_DEFAULT);

	if (status != CUBLAS_STATUS_SUCCESS) {
		fprintf(stderr, "haechi-engine: cuBLAS 오류 %d\nhaechi-engine: cuBLAS failed with %d\n", (int)status,
		        (int)status);
		abort();
	}
}

/* `rows` rows of floats by many tokens. */
static void
multiply_many(struct runner *runner, const void *weights, uint32_t type, size_t rows, size_t columns,
              const struct forms *in, size_t count, float *out, size_t stride)
{
	if (type == QUANT_F32) {
		multiply_blas(runner, weights, type, rows, columns, in->values, count, out, stride);
		return;
	}
	if (type == QUANT_BF16) {
		multiply_blas(runner, weights, type, rows, columns, in->brain, count, out, stride);
		return;
	}
	if (runner->halves_of != in->values) {
		LAUNCH(to_halves, dim3((unsigned)count), dim3(threads_for(columns)), 0, runner, in->values,
		       runner->halves, (unsigned)columns, runner->factors);
		runner->halves_of = in->values;
	}
	multiply_blas(runner, weights, type, rows, columns, runner->halves, count, out, stride);
	LAUNCH(scale_rows, dim3((unsigned)count), dim3(256), 0, runner, out, (unsigned)rows, stride, runner->factors,
	       1.0f);
}

static void
unpack(struct runner *runner, const struct planes *part, uint16_t *to)
{
	LAUNCH(unpack_halves, dim3(blocks_of((size_t)part->rows * (part->columns / 32), 256)), dim3(256), 0, runner, *part,
	       to);
}

static void
multiply_part(struct runner *runner, const struct planes *part, const struct forms *in, size_t count, bool packed,
              float *out, size_t stride)
{
	const size_t columns = part->columns;

	if (is_float(part->type)) {
		multiply_many(runner, part->quants, part->type, part->rows, columns, in, count, out, stride);
		return;
	}
	if (!packed) {
		unpack(runner, part, runner->unpacked);
		multiply_many(runner, runner->unpacked, QUANT_F16, part->rows, columns, in, count, out, stride);
		return;
	}
	for (size_t t = 0; t < count; t += TOKENS_MOST) {
		const struct rounded some = {in->rounded.quants + t * columns, in->rounded.scales + t * (columns / 32),
		                             in->rounded.sums + t * (columns / 16)};

		LAUNCH(multiply_quantised, dim3(blocks_of(part->rows, PRODUCT_ROWS)), dim3(PRODUCT_THREADS), 0, runner,
		       *part, some, (unsigned)(count - t < TOKENS_MOST ? count - t : TOKENS_MOST), out + t * stride,
		       stride);
	}
}

/* out[token * bundle->rows + row] of `count` tokens, by forms_for() this bundle. */
static void
multiply(struct runner *runner, const struct bundle *bundle, const struct forms *in, size_t count, float *out)
{
	const bool packed = count <= PRODUCT_TOKENS || bundle == &runner->head;
	const size_t stride = bundle->rows, columns = bundle->columns;
	bool floats = false;
	size_t at = 0;

	if (count == 1) {
		LAUNCH(multiply_one, dim3(blocks_of(bundle->rows, PRODUCT_ROWS)), dim3(PRODUCT_THREADS), 0, runner, *bundle,
		       *in, out);
		return;
	}
	if (bundle->joined) {
		multiply_many(runner, bundle->parts[0].quants, bundle->parts[0].type, bundle->rows, columns, in, count, out,
		              stride);
		return;
	}
	for (uint32_t i = 0; i < bundle->count; i++)
		floats = floats || is_float(bundle->parts[i].type);
	if (!floats && !packed) { /* one product of all parts */
		for (uint32_t i = 0; i < bundle->count; i++) {
			unpack(runner, &bundle->parts[i], runner->unpacked + at * columns);
			at += bundle->parts[i].rows;
		}
		multiply_many(runner, runner->unpacked, QUANT_F16, bundle->rows, columns, in, count, out, stride);
		return;
	}
	for (uint32_t i = 0; i < bundle->count; i++) {
		multiply_part(runner, &bundle->parts[i], in, count, packed, out + at, stride);
		at += bundle->parts[i].rows;
	}
}

#endif
