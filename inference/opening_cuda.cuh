/*
 * opening_cuda -- a runner's beginning and end: the GPU, cuBLAS, weights, and all the memory that it will ever take.
 */
#ifndef HAECHI_INFERENCE_OPENING_CUDA_CUH
#define HAECHI_INFERENCE_OPENING_CUDA_CUH

#include "inference/runner_cuda.cuh"

#define SCRATCH_ROOM ((size_t)2 << 30) /* kept free of the cache beside the weights */

/* ---- the machine ---------------------------------------------------------------------------------------------------- */

static int
open_blas(struct runner *runner, struct fault *why)
{
#ifdef CUDA_EMULATED
	(void)why;
	runner->blas.multiply = emulated_gemm;
	return 0;
#else
	static const char *const names[] = {"libcublas.so.13", "libcublas.so.12", "libcublas.so.11", "libcublas.so",
	                                    "/usr/local/cuda/lib64/libcublas.so"};
	cublasStatus_t (*create)(cublasHandle_t *);
	cublasStatus_t (*set_stream)(cublasHandle_t, cudaStream_t);
	cublasStatus_t (*set_workspace)(cublasHandle_t, void *, size_t);
	void *library = NULL;

	for (size_t i = 0; library == NULL && i < sizeof names / sizeof *names; i++)
		library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		return fault_set(why, FAULT_UNSUPPORTED,
		                 "cuBLAS(%s)를 찾을 수 없습니다: CUDA 런타임 라이브러리를 설치하십시오",
		                 "cuBLAS (%s) was not found: install the CUDA run-time libraries", names[0]);
	*(void **)&create = dlsym(library, "cublasCreate_v2");
	*(void **)&set_stream = dlsym(library, "cublasSetStream_v2");
	*(void **)&set_workspace = dlsym(library, "cublasSetWorkspace_v2");
	*(void **)&runner->blas.multiply = dlsym(library, "cublasGemmEx");
	*(void **)&runner->blas.destroy = dlsym(library, "cublasDestroy_v2");
	if (create == NULL || set_stream == NULL || set_workspace == NULL || runner->blas.multiply == NULL ||
	    runner->blas.destroy == NULL)
		return fault_set(why, FAULT_UNSUPPORTED, "cuBLAS에 필요한 함수가 없습니다",
		                 "this cuBLAS lacks a function that is needed");
	/* A workspace of our own: recorded graphs must not allocate. */
	if (take(&runner->memory, &runner->blas_workspace, BLAS_WORKSPACE, why) == -1)
		return -1;
	if (create(&runner->blas.handle) != CUBLAS_STATUS_SUCCESS ||
	    set_stream(runner->blas.handle, runner->memory.stream) != CUBLAS_STATUS_SUCCESS ||
	    set_workspace(runner->blas.handle, runner->blas_workspace, BLAS_WORKSPACE) != CUBLAS_STATUS_SUCCESS)
		return fault_set(why, FAULT_SYSTEM, "cuBLAS를 시작할 수 없습니다", "cuBLAS cannot be started");
	return 0;
#endif
}

/* Why there is no GPU: no driver, one that is too old, or really none. */
static int
no_gpu(cudaError_t error, struct fault *why)
{
	int driver = 0, needed = 0;

	cudaDriverGetVersion(&driver);
	cudaRuntimeGetVersion(&needed);
	if (driver == 0)
		return fault_set(why, FAULT_UNSUPPORTED,
		                 "장치 'cuda'를 쓸 수 없습니다: NVIDIA 드라이버(libcuda.so.1)가 없습니다. --device cpu를 "
		                 "쓰십시오",
		                 "device 'cuda' is not available: there is no NVIDIA driver (libcuda.so.1); use --device "
		                 "cpu");
	if (error == cudaErrorInsufficientDriver)
		return fault_set(why, FAULT_UNSUPPORTED,
		                 "장치 'cuda'를 쓸 수 없습니다: NVIDIA 드라이버가 CUDA %d.%d까지만 지원하는데 %d.%d이(가) "
		                 "필요합니다. 드라이버를 올리거나 --device cpu를 쓰십시오",
		                 "device 'cuda' is not available: the NVIDIA driver supports CUDA up to %d.%d, and %d.%d "
		                 "is needed; install a newer driver or use --device cpu",
		                 driver / 1000, driver % 1000 / 10, needed / 1000, needed % 1000 / 10);
	return fault_set(why, FAULT_UNSUPPORTED, "장치 'cuda'를 쓸 수 없습니다: GPU가 없습니다(%s). --device cpu를 쓰십시오",
	                 "device 'cuda' is not available: there is no GPU (%s); use --device cpu",
	                 error == cudaSuccess ? "0" : cudaGetErrorString(error));
}

static int
open_gpu(struct runner *runner, struct fault *why)
{
	struct device_memory *memory = &runner->memory;
	cudaDeviceProp about;
	cudaError_t error;
	int count = 0;

	error = cudaGetDeviceCount(&count);
	if (error != cudaSuccess || count == 0)
		return no_gpu(error, why);
	/* The first that is seen: CUDA_VISIBLE_DEVICES chooses. */
	if ((error = cudaSetDevice(0)) != cudaSuccess || (error = cudaGetDeviceProperties(&about, 0)) != cudaSuccess ||
	    (error = cudaStreamCreateWithFlags(&memory->stream, cudaStreamNonBlocking)) != cudaSuccess)
		return device_fault(why, error, "device 0");
	if (about.major < 8)
		return fault_set(why, FAULT_UNSUPPORTED, "GPU %s의 연산 능력 %d.%d은(는) 지원하지 않습니다(8.0 이상)",
		                 "GPU %s has compute capability %d.%d; 8.0 or newer is needed", about.name,
		                 about.major, about.minor);
#ifndef CUDA_EMULATED
	{
		cudaFuncAttributes ours;

		/* A kernel of our own that this GPU cannot run is told now, not in the middle of an answer. */
		if ((error = cudaFuncGetAttributes(&ours, multiply_one)) != cudaSuccess)
			return fault_set(why, FAULT_UNSUPPORTED,
			                 "GPU %s(연산 능력 %d.%d)에서 돌 코드가 이 프로그램에 없습니다: %s. CUDA_ARCH를 맞추어 "
			                 "다시 make 하십시오",
			                 "this program has no code for GPU %s (compute capability %d.%d): %s; make it again "
			                 "with a fitting CUDA_ARCH",
			                 about.name, about.major, about.minor, cudaGetErrorString(error));
		runner->attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
		runner->attribute.val.programmaticStreamSerializationAllowed = 1;
	}
#endif
	runner->overlap = runner->overlap && about.major >= 9;
	runner->processors = (unsigned)about.multiProcessorCount;
	snprintf(runner->description, sizeof runner->description, "%s, %u processors", about.name, runner->processors);
	return 0;
}

/* Bytes that the cache may take on the GPU beside this model; 0 where there is none. */
static size_t
cuda_cache_room(const struct model *model)
{
	size_t left = 0, all = 0, others = model->weight_bytes + model->weight_bytes / 16 + SCRATCH_ROOM;

	if (cudaMemGetInfo(&left, &all) != cudaSuccess) {
		cudaGetLastError();
		return 0;
	}
	return left > others ? (left - others) / 20 * 19 : 0;
}

/* ---- weights -------------------------------------------------------------------------------------------------------- */

static int
send_mixture(struct runner *runner, const struct mixture *mixture, struct device_layer *out, struct fault *why)
{
	const struct shape *shape = &runner->model->shape;
	const struct matrix *const router[] = {&mixture->router}, *const down[] = {&mixture->shared_down};
	const struct matrix *const gate_up[] = {&mixture->shared_gate, &mixture->shared_up};
	const struct matrix *const both[] = {mixture->gate, mixture->up}, *const last[] = {mixture->down};

	if (send_experts(&runner->memory, runner->model, both, 2, shape->experts, &out->expert_gate_up, why) == -1 ||
	    send_experts(&runner->memory, runner->model, last, 1, shape->experts, &out->expert_down, why) == -1 ||
	    send_bundle(&runner->memory, runner->model, router, 1, &out->router, why) == -1 ||
	    send_floats(&runner->memory, mixture->bias, shape->experts, &out->router_bias, why) == -1)
		return -1;
	if (mixture->shared_gate.rows == 0)
		return 0;
	return send_bundle(&runner->memory, runner->model, gate_up, 2, &out->gate_up, why) == -1
	           ? -1
	           : send_bundle(&runner->memory, runner->model, down, 1, &out->down, why);
}

static int
send_layer(struct runner *runner, const struct layer *layer, struct device_layer *out, struct fault *why)
{
	const struct shape *shape = &runner->model->shape;
	const size_t q_size = (size_t)shape->heads * shape->head_size;
	const size_t k_size = (size_t)shape->kv_heads * shape->head_size;
	const struct matrix *const qkv[] = {&layer->q, &layer->k, &layer->v}, *const output[] = {&layer->output};
	const struct matrix *const gate_up[] = {&layer->gate, &layer->up}, *const down[] = {&layer->down};
	const struct {
		const float *from;
		float **to;
		size_t count;
	} vectors[] = {{layer->attention_norm, &out->attention_norm, shape->width},
	               {layer->ffn_norm, &out->ffn_norm, shape->width},
	               {layer->attention_post_norm, &out->attention_post_norm, shape->width},
	               {layer->ffn_post_norm, &out->ffn_post_norm, shape->width},
	               {layer->q_norm, &out->q_norm, shape->head_size},
	               {layer->k_norm, &out->k_norm, shape->head_size},
	               {layer->q_bias, &out->q_bias, q_size},
	               {layer->k_bias, &out->k_bias, k_size},
	               {layer->v_bias, &out->v_bias, k_size}};

	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
		if (send_floats(&runner->memory, vectors[i].from, vectors[i].count, vectors[i].to, why) == -1)
			return -1;
	if (send_bundle(&runner->memory, runner->model, qkv, 3, &out->qkv, why) == -1 ||
	    send_bundle(&runner->memory, runner->model, output, 1, &out->output, why) == -1)
		return -1;
	if (layer->mixture != NULL)
		return send_mixture(runner, layer->mixture, out, why);
	return send_bundle(&runner->memory, runner->model, gate_up, 2, &out->gate_up, why) == -1
	           ? -1
	           : send_bundle(&runner->memory, runner->model, down, 1, &out->down, why);
}

static int
send_model(struct runner *runner, struct fault *why)
{
	struct model *model = runner->model;
	const struct matrix *const head[] = {&model->head};

	for (size_t i = 0; i < model->shape.layers; i++)
		if (send_layer(runner, &model->layers[i], &runner->layers[i], why) == -1)
			return -1;
	if (send_bundle(&runner->memory, model, head, 1, &runner->head, why) == -1 ||
	    send_floats(&runner->memory, model->output_norm, model->shape.width, &runner->output_norm, why) == -1)
		return -1;
	if (take(&runner->memory, &runner->frequencies, model->shape.rotated / 2 * sizeof(double), why) == -1 ||
	    upload(&runner->memory, model->rope_frequencies, runner->frequencies,
	           model->shape.rotated / 2 * sizeof(double), why) == -1)
		return -1;
	if (model->embedding.data == model->head.data) { /* tied: once is enough */
		runner->embedding = runner->head.parts[0];
		return 0;
	}
	return send_matrices(&runner->memory, model, &model->embedding, 1, NULL, &runner->embedding, why);
}

/* ---- room ----------------------------------------------------------------------------------------------------------- */

/* Where the parts of a step's input lie in the block at `base`; returns its size. */
static size_t
lay_out(const struct runner *runner, uint8_t *base, struct inputs *out)
{
	const size_t rows = runner->rows;
	uint8_t *at = base;

	/* The page tables come last: only as much of them as a step uses goes up. */
	out->rows = (struct device_row *)(void *)at;
	at += rows * sizeof *out->rows;
	out->tiles = (struct device_tile *)(void *)at;
	at += rows * sizeof *out->tiles;
	out->chosen = (uint32_t *)(void *)at;
	at += 2 * rows * sizeof *out->chosen;
	out->pages = (uint32_t *)(void *)at;
	at += rows * runner->table_length * sizeof *out->pages;
	return (size_t)(at - base);
}

/* Activations of `rows` rows in every form. */
static int
take_forms(struct device_memory *memory, size_t rows, size_t columns, struct forms *out, struct fault *why)
{
	return take(memory, &out->values, rows * columns * 4, why) == -1 ||
	               take(memory, &out->brain, rows * columns * 2, why) == -1 ||
	               take(memory, &out->rounded.quants, rows * columns, why) == -1 ||
	               take(memory, &out->rounded.scales, rows * (columns / 32 + 1) * 4, why) == -1 ||
	               take(memory, &out->rounded.sums, rows * (columns / 16 + 1) * 4, why) == -1
	           ? -1
	           : 0;
}

static size_t
greater(size_t one, size_t other)
{
	return one > other ? one : other;
}

/* Weights of the largest bundle that is ever unpacked. */
static size_t
largest_unpacked(const struct runner *runner)
{
	size_t largest = 1;

	for (size_t i = 0; i < runner->model->shape.layers; i++) {
		const struct device_layer *layer = &runner->layers[i];
		const struct bundle *all[] = {&layer->qkv, &layer->output, &layer->gate_up, &layer->down, &layer->router};

		for (size_t j = 0; j < sizeof all / sizeof *all; j++)
			for (uint32_t k = 0; k < all[j]->count; k++)
				if (!is_float(all[j]->parts[k].type))
					largest = greater(largest, (size_t)all[j]->rows * all[j]->columns);
	}
	return largest;
}

static int
take_mixture(struct runner *runner, struct fault *why)
{
	const struct shape *shape = &runner->model->shape;
	struct device_memory *memory = &runner->memory;
	size_t slots;

	if (shape->experts == 0)
		return 0;
	runner->mixture_rows = 32768 / shape->experts_used;
	if (runner->mixture_rows > MIXTURE_ROWS)
		runner->mixture_rows = MIXTURE_ROWS;
	if (runner->mixture_rows > runner->rows)
		runner->mixture_rows = runner->rows;
	slots = runner->mixture_rows * shape->experts_used;
	return take(memory, &runner->scores, runner->rows * shape->experts * 4, why) == -1 ||
	               take(memory, &runner->chosen_experts, slots * 4, why) == -1 ||
	               take(memory, &runner->expert_weights, slots * 4, why) == -1 ||
	               take(memory, &runner->order, slots * 4, why) == -1 ||
	               take(memory, &runner->groups, slots * sizeof *runner->groups, why) == -1 ||
	               take(memory, &runner->expert_both, slots * 2 * shape->expert_ffn * 4, why) == -1 ||
	               take(memory, &runner->parts, slots * shape->width * 4, why) == -1 ||
	               take_forms(memory, slots, shape->expert_ffn, &runner->expert_gated, why) == -1
	           ? -1
	           : 0;
}

static int
take_scratch(struct runner *runner, struct fault *why)
{
	const struct shape *shape = &runner->model->shape;
	struct device_memory *memory = &runner->memory;
	const size_t rows = runner->rows, ffn = greater(shape->ffn, shape->shared_ffn);
	const size_t q = (size_t)shape->heads * shape->head_size, k = (size_t)shape->kv_heads * shape->head_size;
	const size_t widest = greater(shape->width, q);
	struct inputs none;

	/* Rows are split only while there are too few of them for all processors. */
	runner->partial_count = greater(rows, (size_t)8 * runner->processors / shape->kv_heads + 1);
	runner->staging_size = lay_out(runner, NULL, &none);
	if (take(memory, &runner->x, rows * shape->width * 4, why) == -1 ||
	    take(memory, &runner->turns, rows * shape->rotated * 4, why) == -1 ||
	    take(memory, &runner->qkv, rows * (q + 2 * k) * 4, why) == -1 ||
	    take(memory, &runner->branch, rows * shape->width * 4, why) == -1 ||
	    take(memory, &runner->both, rows * 2 * ffn * 4, why) == -1 ||
	    take(memory, &runner->logits, (size_t)HEAD_ROWS * shape->vocabulary * 4, why) == -1 ||
	    take(memory, &runner->best, HEAD_ROWS * 4, why) == -1 ||
	    take(memory, &runner->factors, rows * 4, why) == -1 ||
	    take(memory, &runner->partials.most, runner->partial_count * shape->heads * 4, why) == -1 ||
	    take(memory, &runner->partials.sum, runner->partial_count * shape->heads * 4, why) == -1 ||
	    take(memory, &runner->partials.values, runner->partial_count * q * 4, why) == -1 ||
	    take(memory, &runner->halves, rows * greater(widest, ffn) * 2, why) == -1 ||
	    take(memory, &runner->unpacked, largest_unpacked(runner) * 2, why) == -1 ||
	    take(memory, &runner->arrived, runner->staging_size, why) == -1 ||
	    take_forms(memory, rows, widest, &runner->normed, why) == -1 ||
	    take_forms(memory, rows, ffn, &runner->gated, why) == -1 || take_mixture(runner, why) == -1)
		return -1;
	if (cudaMallocHost(&runner->staging, runner->staging_size) != cudaSuccess) {
		runner->staging = NULL;
		return fault_memory(why);
	}
	lay_out(runner, runner->staging, &runner->here);
	lay_out(runner, runner->arrived, &runner->there);
	return 0;
}

/* Before anything is sent: weights and cache must fit. */
static int
check_room(const struct runner *runner, struct fault *why)
{
	const size_t weights = runner->model->weight_bytes;
	const size_t cache = runner->layer_bytes * 2 * runner->model->shape.layers;
	size_t left = 0, all = 0;
	cudaError_t error = cudaMemGetInfo(&left, &all);

	if (error != cudaSuccess)
		return device_fault(why, error, "cudaMemGetInfo");
	if (weights + cache <= left)
		return 0;
	return fault_set(why, FAULT_MEMORY,
	                 "GPU 메모리가 모자랍니다: 가중치 %.2f GiB와 KV 캐시 %.2f GiB가 필요한데 %.2f GiB 중 %.2f GiB가 "
	                 "비어 있습니다. --parallel이나 --context를 줄이거나 --device cpu를 쓰십시오",
	                 "not enough GPU memory: weights need %.2f GiB and the cache %.2f GiB; of %.2f GiB there are %.2f "
	                 "GiB free; give less --parallel or --context, or use --device cpu",
	                 in_gib(weights), in_gib(cache), in_gib(all), in_gib(left));
}

/* ---- beginning and end ---------------------------------------------------------------------------------------------- */

static int
check_shape(const struct runner *runner, const char *kernels, struct fault *why)
{
	const struct shape *shape = &runner->model->shape;

	if (kernels != NULL && strcmp(kernels, "recorded") != 0 && strcmp(kernels, "plain") != 0)
		return fault_set(why, FAULT_USAGE,
		                 "GPU에는 커널 '%s'이(가) 없습니다: recorded(겹치지 않음), plain(기록하지도 않음)",
		                 "a GPU has no kernels '%s': recorded (none overlap), plain (nor are they recorded)",
		                 kernels);
	if (runner_refuse("cuda", runner->model, why) == -1)
		return -1;
	if (shape->head_size > 2 * SPLIT_THREADS || shape->head_size % 8 != 0)
		return fault_set(why, FAULT_UNSUPPORTED,
		                 "어텐션 헤드 크기 %u은(는) GPU에서 지원하지 않습니다(8의 배수, 최대 %d)",
		                 "attention heads of %u values are not supported on a GPU (multiples of 8, at most %d)",
		                 shape->head_size, 2 * SPLIT_THREADS);
	/* Each range of single rows ends at a tile: no step can have more of them. */
	if (runner->rows / (TILE_LEAST + 1) + 1 > RANGES_MOST)
		return fault_set(why, FAULT_UNSUPPORTED, "GPU에서는 한 단계에 행 %d개까지입니다(%zu)",
		                 "on a GPU a step has at most %d rows (%zu)", (RANGES_MOST - 1) * (TILE_LEAST + 1),
		                 runner->rows);
	return 0;
}

static void
cuda_close(struct runner *runner)
{
	if (runner == NULL)
		return;
	for (size_t i = 0; i <= GRAPH_ROWS; i++)
		for (size_t j = 0; j < sizeof runner->recordings[0] / sizeof runner->recordings[0][0]; j++)
			if (runner->recordings[i][j].graph != NULL)
				cudaGraphExecDestroy(runner->recordings[i][j].graph);
#ifndef CUDA_EMULATED
	if (runner->blas.handle != NULL)
		runner->blas.destroy(runner->blas.handle);
#endif
	give_back(&runner->memory);
	if (runner->staging != NULL)
		cudaFreeHost(runner->staging);
	if (runner->memory.stream != NULL)
		cudaStreamDestroy(runner->memory.stream);
	free(runner->layers);
	free(runner);
}

static int
cuda_open(struct runner **out, struct model *model, const struct runner_options *options, struct fault *why)
{
	const struct shape *shape = &model->shape;
	struct runner *runner = (struct runner *)calloc(1, sizeof *runner);
	int result = -1;

	if (runner == NULL)
		return fault_memory(why);
	runner->model = model;
	runner->rows = options->rows;
	runner->overlap = options->kernels == NULL;
	runner->records = runner->overlap || strcmp(options->kernels, "recorded") == 0;
	runner->half = runner_cache_bits(model, options) == 16;
	runner->woven = runner->half && shape->head_size % 16 == 0;
	runner->table_length = options->context / CACHE_PAGE + 2;
	runner->layer_bytes = (size_t)shape->kv_heads * shape->head_size * CACHE_PAGE * (runner->half ? 2 : 4) *
	                      options->pages;
	runner->layers = (struct device_layer *)calloc(shape->layers, sizeof *runner->layers);
	if (runner->layers == NULL) {
		fault_memory(why);
		goto out;
	}
	if (check_shape(runner, options->kernels, why) == -1 || open_gpu(runner, why) == -1 || check_room(runner, why) == -1 ||
	    open_blas(runner, why) == -1 || send_model(runner, why) == -1 ||
	    take(&runner->memory, &runner->cache, runner->layer_bytes * 2 * shape->layers, why) == -1 ||
	    take_scratch(runner, why) == -1)
		goto out;
	*out = runner;
	runner = NULL;
	result = 0;
out:
	cuda_close(runner);
	return result;
}

#endif
