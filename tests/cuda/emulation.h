/*
 * emulation -- enough of CUDA to run our kernels on a processor, one block after the other, a context a thread.
 *
 * Slow, and without the hardware's races; but every index, mask and sum of a kernel is the real one, so that
 * forward_cuda.cu can be compared with forward_cpu.c where no GPU is. Included instead of the toolkit's headers.
 */
#ifndef HAECHI_TESTS_CUDA_EMULATION_H
#define HAECHI_TESTS_CUDA_EMULATION_H

#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <functional>

#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __grid_constant__
#define __launch_bounds__(...)

struct dim3 {
	unsigned x, y, z;
	dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct uint4 {
	uint32_t x, y, z, w;
};
struct float4 {
	float x, y, z, w;
};

static dim3 threadIdx, blockIdx, blockDim, gridDim;

/* ---- threads of a block ------------------------------------------------------------------------------------------ */

#define EMULATED_THREADS 1024
#define EMULATED_STACK   65536

/* Contexts are made once and then changed by _longjmp(), which asks nothing of the kernel. */
/* A barrier of threads. */
struct emulated_barrier {
	unsigned members, arrived; /* those that still run; those of them that wait */
	unsigned long opened;      /* how often all had arrived */
};

static struct {
	jmp_buf scheduler, threads[EMULATED_THREADS];
	bool made[EMULATED_THREADS], done[EMULATED_THREADS];
	struct emulated_barrier block, warps[EMULATED_THREADS / 32];
	unsigned current;
	const std::function<void()> *body;
	uint32_t exchange[EMULATED_THREADS];
	char shared[256 * 1024] __attribute__((aligned(64)));
} emulated;

static inline void
emulated_yield(void)
{
	if (_setjmp(emulated.threads[emulated.current]) == 0)
		_longjmp(emulated.scheduler, 1);
}

static inline void
emulated_open(struct emulated_barrier *barrier)
{
	if (barrier->members == 0 || barrier->arrived < barrier->members)
		return;
	barrier->arrived = 0;
	barrier->opened++;
}

static inline void
emulated_leave(struct emulated_barrier *barrier)
{
	barrier->members--;
	emulated_open(barrier);
}

static inline void
emulated_meet(struct emulated_barrier *barrier)
{
	unsigned long opened = barrier->opened;

	barrier->arrived++;
	emulated_open(barrier);
	while (barrier->opened == opened)
		emulated_yield();
}

/* A context's whole life: one thread of every block. */
static inline void
emulated_live(void)
{
	for (;;) {
		(*emulated.body)();
		emulated.done[emulated.current] = true;
		emulated_leave(&emulated.block);
		emulated_leave(&emulated.warps[emulated.current / 32]);
		emulated_yield();
	}
}

static inline void
emulated_resume(unsigned thread)
{
	emulated.current = thread;
	threadIdx = dim3(thread);
	if (_setjmp(emulated.scheduler) != 0)
		return;
	if (!emulated.made[thread]) {
		static ucontext_t begin;

		emulated.made[thread] = true;
		getcontext(&begin);
		begin.uc_stack.ss_sp = malloc(EMULATED_STACK);
		begin.uc_stack.ss_size = EMULATED_STACK;
		makecontext(&begin, emulated_live, 0);
		setcontext(&begin);
	}
	_longjmp(emulated.threads[thread], 1);
}

static inline void
__syncthreads(void)
{
	emulated_meet(&emulated.block);
}

static inline void
__syncwarp(void)
{
	emulated_meet(&emulated.warps[emulated.current / 32]);
}

template <typename T>
static inline T
__shfl_xor_sync(unsigned mask, T value, int step)
{
	T other;

	(void)mask;
	memcpy(&emulated.exchange[emulated.current], &value, 4);
	__syncwarp();
	memcpy(&other, &emulated.exchange[emulated.current ^ (unsigned)step], 4);
	__syncwarp();
	return other;
}

static inline void
emulated_launch(dim3 grid, dim3 block, size_t shared, const std::function<void()> &body)
{
	gridDim = grid;
	blockDim = block;
	emulated.body = &body;
	for (unsigned b = 0; b < grid.x * grid.y * grid.z; b++) {
		blockIdx = dim3(b % grid.x, b / grid.x % grid.y, b / grid.x / grid.y);
		/* Nothing in shared memory is promised at the start. */
		memset(emulated.shared, 0xff, shared);
		memset(emulated.done, 0, sizeof emulated.done);
		emulated.block = {block.x, 0, 0};
		for (unsigned i = 0; i < block.x; i += 32)
			emulated.warps[i / 32] = {block.x - i < 32 ? block.x - i : 32, 0, 0};
		for (bool left = true; left;) {
			left = false;
			for (unsigned i = 0; i < block.x; i++) {
				if (!emulated.done[i])
					emulated_resume(i);
				left = left || !emulated.done[i];
			}
		}
	}
}

#define LAUNCH(kernel, grid, block, shared_bytes, runner, ...)                                               \
	((void)(runner), emulated_launch(grid, block, shared_bytes, [=]() { kernel(__VA_ARGS__); }))
#define SHARED_MEMORY(type, name) type *name = (type *)(void *)emulated.shared

/* ---- numbers ---------------------------------------------------------------------------------------------------- */

extern "C" float half_to_float(uint16_t half);
extern "C" uint16_t float_to_half(float value);

struct __half {
	uint16_t bits;
};

static inline __half
__ushort_as_half(uint16_t bits)
{
	return __half{bits};
}
static inline uint16_t
__half_as_ushort(__half half)
{
	return half.bits;
}
static inline float
__half2float(__half half)
{
	return half_to_float(half.bits);
}
static inline __half
__float2half_rn(float value)
{
	return __half{float_to_half(value)};
}
static inline float
__uint_as_float(uint32_t bits)
{
	float value;

	memcpy(&value, &bits, 4);
	return value;
}
static inline uint32_t
__float_as_uint(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, 4);
	return bits;
}
static inline int
__float2int_rn(float value)
{
	return (int)nearbyintf(value);
}
static inline int
__dp4a(int a, int b, int sum)
{
	for (unsigned i = 0; i < 4; i++)
		sum += (int8_t)((uint32_t)a >> (8 * i)) * (int8_t)((uint32_t)b >> (8 * i));
	return sum;
}

/* ---- tensor cores: lanes lay down what they hold of both sides, then each takes its four sums ------------------------- */

/* m16n8k16: rows[0], [2] of row lane / 4, [1], [3] of the row 8 below; columns 2 (lane % 4) on, in [2], [3] 8 further. */
static inline void
emulated_tile(float upper[2], float lower[2], const uint32_t rows[4], uint32_t first, uint32_t second)
{
	static float laid[EMULATED_THREADS][6][2];
	const unsigned lane = emulated.current % 32, warp = emulated.current - lane;
	const uint32_t mine[6] = {rows[0], rows[1], rows[2], rows[3], first, second};

	for (unsigned i = 0; i < 12; i++)
		laid[emulated.current][i / 2][i % 2] = half_to_float((uint16_t)(mine[i / 2] >> i % 2 * 16));
	__syncwarp();
	for (unsigned at = 0; at < 2; at++)
		for (unsigned e = 0; e < 2; e++) {
			float sum = 0;

			for (unsigned t = 0; t < 4; t++)
				for (unsigned k = 0; k < 4; k++)
					sum += laid[warp + lane / 4 * 4 + t][at + k / 2 * 2][k % 2] *
					       laid[warp + (2 * (lane % 4) + e) * 4 + t][4 + k / 2][k % 2];
			(at == 0 ? upper : lower)[e] += sum;
		}
	__syncwarp();
}

/* ---- the runtime ------------------------------------------------------------------------------------------------ */

typedef int cudaError_t;
typedef void *cudaStream_t, *cudaGraph_t, *cudaGraphExec_t;
enum { cudaSuccess = 0, cudaErrorMemoryAllocation = 2, cudaErrorInsufficientDriver = 35, cudaErrorNotSupported = 801 };
enum { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2 };
enum { cudaStreamNonBlocking = 1, cudaStreamCaptureModeThreadLocal = 1 };
struct cudaDeviceProp {
	char name[256];
	int major, minor, multiProcessorCount;
	size_t sharedMemPerBlockOptin, totalGlobalMem;
};

static inline cudaError_t
cudaGetDeviceCount(int *count)
{
	*count = 1;
	return cudaSuccess;
}
static inline cudaError_t
cudaGetDeviceProperties(cudaDeviceProp *out, int)
{
	*out = cudaDeviceProp{"emulation", 9, 0, 4, sizeof emulated.shared, (size_t)1 << 34};
	return cudaSuccess;
}
static inline cudaError_t
cudaSetDevice(int)
{
	return cudaSuccess;
}
static inline const char *
cudaGetErrorString(cudaError_t)
{
	return "emulated";
}
static inline cudaError_t
cudaGetLastError(void)
{
	return cudaSuccess;
}
/* Device memory begins as anything: what reads before it was written shows. */
template <typename T>
static inline cudaError_t
cudaMalloc(T **out, size_t size)
{
	*out = (T *)aligned_alloc(256, (size + 511) / 256 * 256);
	memset((void *)*out, 0xff, size);
	return cudaSuccess;
}
template <typename T>
static inline cudaError_t
cudaMallocHost(T **out, size_t size)
{
	return cudaMalloc(out, size);
}
static inline cudaError_t
cudaFree(void *memory)
{
	free(memory);
	return cudaSuccess;
}
static inline cudaError_t
cudaFreeHost(void *memory)
{
	return cudaFree(memory);
}
static inline cudaError_t
cudaMemcpyAsync(void *to, const void *from, size_t size, int, cudaStream_t)
{
	memcpy(to, from, size);
	return cudaSuccess;
}
static inline cudaError_t
cudaStreamCreateWithFlags(cudaStream_t *out, int)
{
	*out = NULL;
	return cudaSuccess;
}
static inline cudaError_t
cudaStreamSynchronize(cudaStream_t)
{
	return cudaSuccess;
}
static inline cudaError_t
cudaStreamDestroy(cudaStream_t)
{
	return cudaSuccess;
}
static inline cudaError_t
cudaMemGetInfo(size_t *left, size_t *all)
{
	*left = *all = (size_t)1 << 34;
	return cudaSuccess;
}
static inline cudaError_t
cudaDriverGetVersion(int *version)
{
	*version = 13000;
	return cudaSuccess;
}
static inline cudaError_t
cudaRuntimeGetVersion(int *version)
{
	return cudaDriverGetVersion(version);
}
static inline cudaError_t
cudaStreamBeginCapture(cudaStream_t, int)
{
	return cudaErrorNotSupported;
}
static inline cudaError_t
cudaStreamEndCapture(cudaStream_t, cudaGraph_t *)
{
	return cudaErrorNotSupported;
}
static inline cudaError_t
cudaGraphInstantiate(cudaGraphExec_t *, cudaGraph_t, unsigned long long)
{
	return cudaErrorNotSupported;
}
static inline cudaError_t
cudaGraphLaunch(cudaGraphExec_t, cudaStream_t)
{
	return cudaErrorNotSupported;
}
static inline cudaError_t
cudaGraphDestroy(cudaGraph_t)
{
	return cudaSuccess;
}
static inline cudaError_t
cudaGraphExecDestroy(cudaGraphExec_t)
{
	return cudaSuccess;
}

/* ---- cuBLAS: one product, column-major, the first transposed ----------------------------------------------------- */

typedef void *cublasHandle_t;
typedef int cublasStatus_t, cublasOperation_t, cudaDataType, cublasComputeType_t, cublasGemmAlgo_t;
enum { CUBLAS_STATUS_SUCCESS = 0, CUBLAS_OP_N = 0, CUBLAS_OP_T = 1, CUBLAS_GEMM_DEFAULT = -1 };
enum { CUDA_R_32F = 0, CUDA_R_16F = 2, CUDA_R_16BF = 14, CUBLAS_COMPUTE_32F = 68 };

static inline float
emulated_value(const void *from, int type, size_t at)
{
	uint16_t bits;

	if (type == CUDA_R_32F)
		return ((const float *)from)[at];
	bits = ((const uint16_t *)from)[at];
	return type == CUDA_R_16F ? half_to_float(bits) : __uint_as_float((uint32_t)bits << 16);
}

static inline cublasStatus_t
emulated_gemm(cublasHandle_t, cublasOperation_t, cublasOperation_t, int m, int n, int k, const void *,
              const void *a, cudaDataType a_type, int a_stride, const void *b, cudaDataType b_type, int b_stride,
              const void *, void *c, cudaDataType, int c_stride, cublasComputeType_t, cublasGemmAlgo_t)
{
	for (int j = 0; j < n; j++)
		for (int i = 0; i < m; i++) {
			float sum = 0;

			for (int l = 0; l < k; l++)
				sum += emulated_value(a, a_type, (size_t)i * a_stride + l) *
				       emulated_value(b, b_type, (size_t)j * b_stride + l);
			((float *)c)[(size_t)j * c_stride + i] = sum;
		}
	return CUBLAS_STATUS_SUCCESS;
}

#endif
