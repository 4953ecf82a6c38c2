#include <string.h>

#include "inference/model.h"
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
