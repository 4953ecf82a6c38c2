/*
 * kernel_vectors -- vectors of LANES lanes, as wide as the target's registers: gcc keeps wider ones in memory. They go
 * through pointers between functions, since how one is passed by value depends on the instruction set.
 */
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline)) TARGET

#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

typedef float vf __attribute__((vector_size(4 * LANES)));    /* numbers */
typedef int32_t vi __attribute__((vector_size(4 * LANES)));  /* whole ones */
typedef uint32_t vu __attribute__((vector_size(4 * LANES))); /* without sign */
typedef uint16_t vh __attribute__((vector_size(2 * LANES))); /* a half in each lane */
typedef int8_t vq __attribute__((vector_size(LANES)));       /* a byte in each lane */
typedef uint8_t vb __attribute__((vector_size(4 * LANES)));  /* four bytes in each lane */
typedef uint16_t vw __attribute__((vector_size(4 * LANES))); /* two words in each lane */
typedef int16_t vs __attribute__((vector_size(4 * LANES)));  /* with sign */
typedef float v8 __attribute__((vector_size(32)));
typedef float v4 __attribute__((vector_size(16)));
typedef int32_t v8i __attribute__((vector_size(32)));
typedef int32_t v4i __attribute__((vector_size(16)));

/* The same in memory, at any address. */
typedef float loose_vf __attribute__((vector_size(4 * LANES), aligned(1), may_alias));
typedef float loose_v8 __attribute__((vector_size(32), aligned(1), may_alias));
typedef uint16_t loose_vh __attribute__((vector_size(2 * LANES), aligned(1), may_alias));
typedef uint8_t loose_vb __attribute__((vector_size(4 * LANES), aligned(1), may_alias));
typedef uint16_t loose_vw __attribute__((vector_size(4 * LANES), aligned(1), may_alias));
typedef int32_t loose_int __attribute__((aligned(1), may_alias));

#define LOAD(type, from)       (*(const loose_##type *)(const void *)(from))
#define STORE(type, to, value) (*(loose_##type *)(void *)(to) = (value))
#define SELECT(mask, yes, no)  ((vf)(((mask) & (vi)(yes)) | (~(mask) & (vi)(no))))
