/*
 * kernel_vectors -- vectors of sixteen lanes, as the compilers know them; wide or in halves is the target's matter.
 * They go through pointers between functions, since how one is passed by value depends on the instruction set.
 */
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline)) TARGET

#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

typedef float v16 __attribute__((vector_size(64)));
typedef float v8 __attribute__((vector_size(32)));
typedef float v4 __attribute__((vector_size(16)));
typedef int32_t v8i __attribute__((vector_size(32)));
typedef int32_t v4i __attribute__((vector_size(16)));
typedef int32_t v16i __attribute__((vector_size(64)));
typedef uint16_t v16h __attribute__((vector_size(32)));
typedef uint8_t v64u __attribute__((vector_size(64)));
typedef uint16_t v32u __attribute__((vector_size(64)));
typedef int16_t v32s __attribute__((vector_size(64)));
typedef uint32_t v16w __attribute__((vector_size(64)));
typedef uint8_t v16u __attribute__((vector_size(16)));
typedef int8_t v16s __attribute__((vector_size(16)));

/* The same in memory, at any address. */
typedef float loose_v16 __attribute__((vector_size(64), aligned(1), may_alias));
typedef float loose_v8 __attribute__((vector_size(32), aligned(1), may_alias));
typedef uint16_t loose_v16h __attribute__((vector_size(32), aligned(1), may_alias));
typedef uint8_t loose_v64u __attribute__((vector_size(64), aligned(1), may_alias));
typedef uint16_t loose_v32u __attribute__((vector_size(64), aligned(1), may_alias));
typedef uint8_t loose_v16u __attribute__((vector_size(16), aligned(1), may_alias));
typedef int8_t loose_v16s __attribute__((vector_size(16), aligned(1), may_alias));
typedef int32_t loose_int __attribute__((aligned(1), may_alias));

#define LOAD(type, from)       (*(const loose_##type *)(const void *)(from))
#define STORE(type, to, value) (*(loose_##type *)(void *)(to) = (value))
#define SELECT(mask, yes, no)  ((v16)(((mask) & (v16i)(yes)) | (~(mask) & (v16i)(no))))
