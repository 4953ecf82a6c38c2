/* Kernels in plain C: the definition of right, and what runs where nothing better is. */
#include "inference/kernel.h"

#define TARGET
#define KERNEL(name) name##_plain
#define LANES        16
#define TILE_ROWS    2
#define TILE_TOKENS  2

#include <math.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "inference/kernel_vectors.h"
#include "inference/quant.h"

INLINE void
load_halves(const void *from, vf *out)
{
	float lane[16];

	for (unsigned i = 0; i < 16; i++) {
		uint16_t half;

		memcpy(&half, (const uint8_t *)from + 2 * i, 2);
		lane[i] = half_to_float(half);
	}
	memcpy(out, lane, sizeof *out);
}

INLINE void
store_halves(void *to, const vf *value)
{
	for (unsigned i = 0; i < 16; i++) {
		uint16_t half = float_to_half((*value)[i]);

		memcpy((uint8_t *)to + 2 * i, &half, 2);
	}
}

INLINE void
round_lanes(const vf *value, vi *out)
{
	int32_t lane[16];

	for (unsigned i = 0; i < 16; i++)
		lane[i] = (int32_t)lrintf((*value)[i]);
	memcpy(out, lane, sizeof *out);
}

#include "inference/kernel_body.h"
#include "inference/kernel_latent.h"

/* Weights as quant.h defines them, times activations of 8 bits. */
static void
quantised_multiply(const struct matrix *matrix, const struct activations *in, size_t first, size_t last,
                   float *out, size_t stride)
{
	const size_t block = quant_kind(matrix->type)->block, bytes = quant_kind(matrix->type)->bytes;

	for (size_t row = first * KERNEL_GROUP; row < last * KERNEL_GROUP && row < matrix->rows; row++) {
		for (size_t t = 0; t < in->count; t++)
			out[t * stride + row] = 0;
		for (size_t c = 0; c < matrix->columns; c += block) {
			float weights[256];

			quant_row(matrix->type, matrix->data + row * matrix->row_size + c / block * bytes,
			          weights, block);
			for (size_t t = 0; t < in->count; t++)
				for (size_t b = 0; b < block / 32; b++) {
					const size_t at = activations_at(in, t, c / 32 + b);
					const int8_t *quants = in->quants + at * 32;
					float sum = 0;

					for (unsigned i = 0; i < 32; i++)
						sum += weights[b * 32 + i] * (float)quants[i];
					out[t * stride + row] += sum * in->scales[at];
				}
		}
	}
}

static void
multiply_plain(const struct matrix *matrix, const struct activations *in, size_t first, size_t last,
               float *out, size_t stride)
{
	if (matrix->type == QUANT_F32)
		float_multiply(QUANT_F32, matrix, in, first, last, out, stride);
	else if (matrix->type == QUANT_F16)
		float_multiply(QUANT_F16, matrix, in, first, last, out, stride);
	else if (matrix->type == QUANT_BF16)
		float_multiply(QUANT_BF16, matrix, in, first, last, out, stride);
	else
		quantised_multiply(matrix, in, first, last, out, stride);
}

const struct kernels kernels_plain = {
    .name = "plain",
    .packs = false,
    .rms_norm = rms_norm_plain,
    .quantise = quantise_plain,
    .silu_multiply = silu_multiply_plain,
    .multiply = multiply_plain,
    .halve = halve_plain,
    .attend16 = attend16_plain,
    .attend32 = attend32_plain,
    .attend_latent16 = attend_latent16_plain,
    .attend_latent32 = attend_latent32_plain,
};

#if defined(__x86_64__)
/* The matrix unit: there, and granted to this process. Tiles are large, so the kernel wants to be asked. */
static bool
tiles_granted(void)
{
	const unsigned tile = 1u << 24, int8 = 1u << 25;
	const long request = 0x1023, data = 18; /* ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA: Linux 5.16 */
	unsigned a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & tile) != 0 && (d & int8) != 0 &&
	       syscall(SYS_arch_prctl, request, data) == 0;
}

static bool
runs_here(const struct kernels *kernels)
{
	__builtin_cpu_init();
	if (kernels == &kernels_avx2)
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
	return kernels == &kernels_plain ||
	       (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
	        __builtin_cpu_supports("avx512vnni") && (kernels == &kernels_avx512 || tiles_granted()));
}
#endif

size_t
activations_lay_out(struct activations *in, size_t count, size_t columns, void *memory)
{
	const size_t tokens = (count + KERNEL_STRIP - 1) / KERNEL_STRIP * KERNEL_STRIP;
	const size_t blocks = tokens * ((columns + 63) / 64 * 2);

	if (memory != NULL) {
		in->quants = memory;
		in->scales = (float *)(void *)(in->quants + blocks * 32);
		in->minus32 = (int32_t *)(void *)(in->scales + blocks);
		in->sums32 = (int16_t *)(void *)(in->minus32 + blocks);
		in->sums16 = in->sums32 + blocks;
	}
	return blocks * (32 + sizeof *in->scales + sizeof *in->minus32 + 3 * sizeof *in->sums32);
}

const struct kernels *
kernels_named(const char *name, struct fault *why)
{
#if defined(__x86_64__)
	static const struct kernels *const best_first[] = {&kernels_amx, &kernels_avx512, &kernels_avx2,
	                                                   &kernels_plain};

	for (size_t i = 0; i < sizeof best_first / sizeof *best_first; i++) {
		if (name != NULL && strcmp(name, best_first[i]->name) != 0)
			continue;
		if (runs_here(best_first[i]))
			return best_first[i];
		if (name == NULL)
			continue;
		fault_set(why, FAULT_UNSUPPORTED, "이 프로세서에서는 커널 '%s'을(를) 쓸 수 없습니다",
		          "kernels '%s' cannot run on this processor", name);
		return NULL;
	}
#else
	if (name == NULL || strcmp(name, kernels_plain.name) == 0)
		return &kernels_plain;
#endif
	fault_set(why, FAULT_INVALID, "커널 '%s'은(는) 없습니다: amx-int8, avx512-vnni, avx2, plain",
	          "there are no kernels '%s': amx-int8, avx512-vnni, avx2, plain", name);
	return NULL;
}
