#include <math.h>
#include <string.h>

#include "inference/model.h"
#include "inference/quant.h"
#include "schema/base/fault.h"

#ifdef HAVE_CUDA
extern const struct runner_kind runner_cuda; /* forward_cuda.cu */
#endif

const struct runner_kind *
runner_named(const char *name, struct fault *why)
{
	if (name == NULL || strcmp(name, "cpu") == 0)
		return &runner_cpu;
	if (strcmp(name, "cuda") != 0) {
		fault_set(why, FAULT_USAGE, "장치 '%s'은(는) 없습니다: cpu 또는 cuda",
		          "there is no device '%s': cpu or cuda", name);
		return NULL;
	}
#ifdef HAVE_CUDA
	return &runner_cuda;
#else
	fault_set(why, FAULT_UNSUPPORTED,
	          "장치 'cuda'를 쓸 수 없습니다: 이 프로그램은 nvcc 없이 빌드되었습니다. CUDA Toolkit을 "
	          "설치하고 다시 "
	          "make 하십시오",
	          "device 'cuda' is not available: this program was built without nvcc; install the CUDA "
	          "Toolkit and make again");
	return NULL;
#endif
}

int
runner_refuse(const char *device, const struct model *model, struct fault *why)
{
	if (model->shape.latent > 0)
		return fault_set(why, FAULT_UNSUPPORTED,
		                 "장치 '%s'은(는) 아키텍처 '%s'의 잠재 어텐션(MLA)을 아직 계산하지 못합니다: "
		                 "cpu를 쓰십시오",
		                 "device '%s' does not compute attention in a latent (MLA) of architecture "
		                 "'%s' yet: use cpu",
		                 device, model->architecture);
	if (model->shape.experts > 0 && model->shape.expert_groups > 1)
		return fault_set(why, FAULT_UNSUPPORTED,
		                 "장치 '%s'은(는) 전문가를 묶음(%u개)으로 고르는 모델을 아직 계산하지 못합니다: cpu를 쓰십시오",
		                 "device '%s' does not choose experts by groups (%u) yet: use cpu", device,
		                 model->shape.expert_groups);
	return 0;
}

size_t
runner_cache_values(const struct shape *shape)
{
	return shape->latent > 0 ? (size_t)shape->latent + shape->rotated
	                         : (size_t)2 * shape->kv_heads * shape->head_size;
}

unsigned
runner_cache_bits(const struct model *model, const struct runner_options *options)
{
	if (options->cache_bits != 0)
		return options->cache_bits;
	return model->layers[0].q.type == QUANT_F32 ? 32 : 16;
}

size_t
runner_page_bytes(const struct model *model, const struct runner_options *options)
{
	return runner_cache_values(&model->shape) * model->shape.layers * CACHE_PAGE *
	       (runner_cache_bits(model, options) / 8);
}

void
model_begin_row(const struct model *model, const struct step_row *row, float *x, float *turns)
{
	const struct shape *shape = &model->shape;
	const struct matrix *embedding = &model->embedding;

	quant_row(embedding->type, embedding->data + row->token * embedding->row_size, x, shape->width);
	if (shape->embedding_scale != 1.0f)
		for (size_t i = 0; i < shape->width; i++)
			x[i] *= shape->embedding_scale;
	for (size_t i = 0; i < shape->rotated / 2; i++) {
		double angle = row->position * model->rope_frequencies[i];

		turns[2 * i] = (float)cos(angle) * shape->rope_magnitude;
		turns[2 * i + 1] = (float)sin(angle) * shape->rope_magnitude;
	}
}
