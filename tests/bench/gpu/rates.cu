/*
 * What this GPU gives: bytes a second of a copy within its memory (read and written both counted), and of bf16 matrix
 * products of random numbers by cuBLAS, as one JSON line. Medians; what is warmed up does not count.
 */
#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <dlfcn.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#define COPY_BYTES ((size_t)4 << 30)
#define SIDE       8192
#define ROUNDS     15

static void
must(int error, const char *what)
{
	if (error == 0)
		return;
	fprintf(stderr, "rates: %s: %d\n", what, error);
	exit(2);
}

__global__ static void
fill(uint16_t *out, size_t count, uint32_t seed)
{
	for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (size_t)gridDim.x * blockDim.x) {
		uint32_t z = (uint32_t)i * 2654435761u + seed;

		z = (z ^ z >> 15) * 2246822519u;
		z = (z ^ z >> 13) * 3266489917u;
		out[i] = (uint16_t)((z & 0x807fu) | 0x3f00u); /* between one half and one, of either sign */
	}
}

template <typename F>
static double
seconds_of(cudaStream_t stream, F &&work)
{
	std::vector<float> times;
	cudaEvent_t before, after;

	must(cudaEventCreate(&before), "event");
	must(cudaEventCreate(&after), "event");
	for (int i = 0; i < ROUNDS + 5; i++) {
		float took = 0;

		must(cudaEventRecord(before, stream), "event");
		work();
		must(cudaEventRecord(after, stream), "event");
		must(cudaEventSynchronize(after), "work");
		must(cudaEventElapsedTime(&took, before, after), "event");
		if (i >= 5)
			times.push_back(took);
	}
	std::sort(times.begin(), times.end());
	return times[times.size() / 2] * 1e-3;
}

int
main()
{
	const float one = 1, zero = 0;
	cudaDeviceProp about;
	cudaStream_t stream;
	uint8_t *from, *to;
	uint16_t *a, *b;
	cublasHandle_t handle;
	double copy, product;
	void *library = NULL;
	int count = 0;

	if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) {
		fprintf(stderr, "no GPU\n");
		return 77;
	}
	for (const char *name : {"libcublas.so.13", "libcublas.so.12", "libcublas.so", "/usr/local/cuda/lib64/libcublas.so"})
		if (library == NULL)
			library = dlopen(name, RTLD_NOW);
	if (library == NULL) {
		fprintf(stderr, "no cuBLAS\n");
		return 77;
	}
	const auto create = (decltype(&cublasCreate_v2))dlsym(library, "cublasCreate_v2");
	const auto set_stream = (decltype(&cublasSetStream_v2))dlsym(library, "cublasSetStream_v2");
	using multiply_t = cublasStatus_t (*)(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int, int, const void *,
	                                      const void *, cudaDataType, int, const void *, cudaDataType, int, const void *,
	                                      void *, cudaDataType, int, cublasComputeType_t, cublasGemmAlgo_t);
	const auto multiply = (multiply_t)dlsym(library, "cublasGemmEx");

	must(cudaGetDeviceProperties(&about, 0), "device");
	must(cudaStreamCreate(&stream), "stream");
	must(cudaMalloc(&from, COPY_BYTES), "memory");
	must(cudaMalloc(&to, COPY_BYTES), "memory");
	fill<<<1024, 256, 0, stream>>>((uint16_t *)from, COPY_BYTES / 2, 1);
	copy = seconds_of(stream, [&] { must(cudaMemcpyAsync(to, from, COPY_BYTES, cudaMemcpyDeviceToDevice, stream), "copy"); });
	a = (uint16_t *)from;
	b = (uint16_t *)to;
	fill<<<1024, 256, 0, stream>>>(b, (size_t)SIDE * SIDE, 2);
	must(create(&handle), "cuBLAS");
	must(set_stream(handle, stream), "cuBLAS");
	product = seconds_of(stream, [&] {
		must(multiply(handle, CUBLAS_OP_T, CUBLAS_OP_N, SIDE, SIDE, SIDE, &one, a, CUDA_R_16BF, SIDE, b, CUDA_R_16BF, SIDE,
		              &zero, a + (size_t)SIDE * SIDE, CUDA_R_16BF, SIDE, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
		     "product");
	});
	printf("{\"device\":\"%s\",\"processors\":%d,\"memory_bytes\":%zu,\"copy_bytes_per_second\":%.0f,\"bf16_flops_per_second\":%.0f}\n",
	       about.name, about.multiProcessorCount, about.totalGlobalMem, 2.0 * COPY_BYTES / copy,
	       2.0 * SIDE * SIDE * SIDE / product);
	return 0;
}
