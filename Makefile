# Haechi. `make help` lists what can be made. Programs land in build/, variants (asan, tsan, coverage) in build/VARIANT/.

PROGRAMS  = haechid haechi haechi-verify haechi-witness haechi-engine
MAIN_haechid       = gateway/haechid.c
MAIN_haechi        = gateway/haechi.c
MAIN_haechi-verify = audit/haechi-verify.c
MAIN_haechi-witness = gateway/haechi-witness.c
MAIN_haechi-engine = inference/haechi-engine.c

VARIANT  ?=
B         = build$(if $(VARIANT),/$(VARIANT))
ifeq ($(origin CC),default)
CC        = gcc
endif
FUZZ_CC  ?= clang

# ---- what the compiler is told ---------------------------------------------------------------------------------------
WARNINGS  = -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wcast-qual -Wstrict-prototypes -Wmissing-prototypes \
            -Wformat=2 -Wundef -Wvla
HARDENING = -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fcf-protection=full \
            -fPIE
# Not with gcc 12, whose version of it destroys data (tests/unit/test_compiler.c); clang 14 wants to be told twice.
ifneq ($(findstring clang,$(CC)),)
HARDENING += -ftrivial-auto-var-init=zero -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang
endif
LINKING   = -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code -Wl,--as-needed
FLAGS_    = -O2 -g $(HARDENING)
FLAGS_asan     = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined -fPIE
FLAGS_tsan     = -O1 -g -fsanitize=thread -fPIE
FLAGS_coverage = -O0 -g --coverage -fPIE
FLAGS_fuzz     = -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fPIE
LINK_asan      = -fsanitize=address,undefined
LINK_tsan      = -fsanitize=thread
LINK_coverage  = --coverage
LINK_fuzz      = -fsanitize=address,undefined
ERRORS   ?=
JOBS     ?= $(shell nproc)
# `make V=1` shows whole command lines.
Q         = $(if $(V),,@)
CFLAGS    = -std=c17 -D_DEFAULT_SOURCE $(or $(FLAGS_$(VARIANT)),$(FLAGS_)) $(WARNINGS) $(ERRORS) -I. -I$(B)/gen -pthread -MMD -MP
LDFLAGS   = $(LINKING) $(LINK_$(VARIANT)) -pthread
LDLIBS    = -lmicrohttpd -lcurl -lssl -lcrypto -lsodium -lpq -lcyaml -lyaml -lhs -lutf8proc -ljansson -lseccomp -lm
# The offline verifier must run where little is installed: jansson goes in, libsodium and libcrypto stay shared.
LDLIBS_haechi-verify = -lcrypto -lsodium -l:libjansson.a -lm

# ---- what is compiled -------------------------------------------------------------------------------------------------
MAINS     = $(foreach p,$(PROGRAMS),$(MAIN_$(p)))
SOURCES   = $(wildcard schema/*.c schema/base/*.c policy/*.c policy/*/*.c audit/*.c inference/*.c gateway/*.c gateway/*/*.c)
OBJECTS   = $(patsubst %.c,$(B)/obj/%.o,$(filter-out $(MAINS),$(SOURCES)))
LIBRARY   = $(B)/libhaechi.a
UNIT      = $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/test_*.c))
REPLAY    = $(patsubst tests/fuzz/%.c,$(B)/tests/replay_%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ      = $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
BENCH     = $(patsubst tests/bench/%.c,$(B)/bench/%,$(wildcard tests/bench/*.c))
TOOLS     = $(patsubst tests/tools/%.c,$(B)/tools/%,$(wildcard tests/tools/*.c)) $(B)/tools/train_model
PRELOADS  = $(patsubst tests/preload/%.c,$(B)/tools/%.so,$(wildcard tests/preload/*.c))
# The GPU's part is compiled where nvcc is (`make NVCC=` leaves it out); the program then still runs without a GPU.
NVCC      ?= $(firstword $(wildcard /usr/local/cuda/bin/nvcc) $(shell command -v nvcc 2>/dev/null))
CUDA      = $(if $(VARIANT),,$(NVCC))
CUDA_ARCH ?= -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90,code=[sm_90,compute_90]
ifneq ($(CUDA),)
OBJECTS  += $(B)/obj/inference/forward_cuda.o
UNIT     += $(B)/tests/test_cuda
LDLIBS   += -L$(dir $(CUDA))../lib64 -lcudart_static -ldl -lrt
$(B)/obj/inference/device.o: CFLAGS += -DHAVE_CUDA
endif
UNIT     += $(B)/tests/test_cuda_emulated
BUILT     = $(foreach p,$(PROGRAMS),$(if $(wildcard $(MAIN_$(p))),$(B)/$(p)))

.PHONY: all help run test bench fuzz asan tsan coverage lint format floors install clean programs tests
.DELETE_ON_ERROR:
.SECONDARY:

all: deploy/.ready ## build the programs into build/ (installs missing packages first)
	@$(MAKE) --no-print-directory -j$(JOBS) programs

programs: $(BUILT)

help: ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# deploy/setup looks for what is missing and installs only that; it is quick when nothing is.
.PHONY: deploy/.ready
deploy/.ready:
	@deploy/setup $(SETUP)

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(if $(V),,@echo "  compile $<")
	$(Q)$(CC) $(CFLAGS) $(CFLAGS_$(firstword $(subst /, ,$<))) -c -o $@ $<

$(B)/obj/inference/forward_cuda.o: inference/forward_cuda.cu $(wildcard inference/*.cuh) inference/model.h inference/quant.h
	@mkdir -p $(@D)
	$(if $(V),,@echo "  compile $<")
	$(Q)$(NVCC) -std=c++20 -O2 -lineinfo $(CUDA_ARCH) -I. \
		-Xcompiler -fPIE,-fno-exceptions,-fno-rtti,-fno-threadsafe-statics,-Wall,-Wextra,-fstack-protector-strong -c -o $@ $<

# The assembler takes the weights in; make must know.
$(B)/obj/policy/detect/model.o: policy/detect/model.weights

# Tensor code indexes with signed and unsigned alike; everything else keeps -Wconversion whole.
CFLAGS_inference = -Wno-sign-conversion $(if $(VARIANT),,-O3) -fno-math-errno -ffp-contract=fast

# Vector kernels are compared with plain C; instrumented for coverage, clang needs half an hour for one of them.
$(B)/obj/inference/kernel_%.o: FLAGS_fuzz = -O1 -g -fPIE

$(LIBRARY): $(OBJECTS)
	@rm -f $@
	$(Q)$(AR) rcs $@ $(OBJECTS)

define program
$(B)/$(1): $(B)/obj/$(MAIN_$(1):.c=.o) $(LIBRARY)
	$(if $(V),,@echo "  link    $$@")
	$(Q)$(CC) $(CFLAGS) -o $$@ $$^ $(LDFLAGS) $$(or $$(LDLIBS_$(1)),$$(LDLIBS))
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

# For a machine with a GPU and little else (tests/bench/engine_gpu.sh pack): the engine brings its libraries with it.
$(B)/gpu/haechi-engine: $(B)/obj/inference/haechi-engine.o $(LIBRARY)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -o $@ $(filter %.o %.a,$^) $(LDFLAGS) -l:libjansson.a -l:libutf8proc.a -l:libseccomp.a -l:libcrypto.a \
		$(filter -L%,$(LDLIBS)) -lcudart_static -ldl -lrt -lm

# ---- tests ------------------------------------------------------------------------------------------------------------
$(B)/tests/%: tests/unit/%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(if $(V),,@echo "  link    $@")
	$(Q)$(CC) $(CFLAGS) -o $@ $< $(LIBRARY) $(LDFLAGS) -lcmocka $(LDLIBS)

# The GPU's graph on a processor: each kernel thread a context (tests/cuda/emulation.h).
$(B)/obj/tests/forward_cuda_emulated.o: inference/forward_cuda.cu $(wildcard inference/*.cuh) inference/model.h inference/quant.h \
		tests/cuda/emulation.h
	@mkdir -p $(@D)
	$(if $(V),,@echo "  compile $< (emulated)")
	$(Q)$(CXX) -x c++ -std=c++20 -O2 -g -DCUDA_EMULATED -include tests/cuda/emulation.h -Wall -Wextra -Wno-unknown-pragmas -Wno-clobbered $(ERRORS) \
		-fPIE -I. -c -o $@ $<

$(B)/tests/test_cuda_emulated: tests/cuda/test_cuda.c $(B)/obj/tests/forward_cuda_emulated.o $(LIBRARY)
	@mkdir -p $(@D)
	$(if $(V),,@echo "  link    $@")
	$(Q)$(CC) $(CFLAGS) -o $@ $(filter %.c %.o %.a,$^) $(LDFLAGS) -lcmocka $(LDLIBS) -lstdc++

$(B)/tests/test_cuda: tests/cuda/test_cuda.c $(LIBRARY)
	@mkdir -p $(@D)
	$(if $(V),,@echo "  link    $@")
	$(Q)$(CC) $(CFLAGS) -o $@ $< $(LIBRARY) $(LDFLAGS) -lcmocka $(LDLIBS)

$(B)/tests/replay_%: tests/fuzz/%.c tests/fuzz/main.c $(LIBRARY)
	@mkdir -p $(@D)
	$(if $(V),,@echo "  link    $@")
	$(Q)$(CC) $(CFLAGS) -o $@ $< tests/fuzz/main.c $(LIBRARY) $(LDFLAGS) $(LDLIBS)

build/fuzz/%: tests/fuzz/%.c
	$(MAKE) VARIANT=fuzz CC=$(FUZZ_CC) build/fuzz/libhaechi.a
	$(FUZZ_CC) -std=c17 -D_DEFAULT_SOURCE $(FLAGS_fuzz) -fsanitize=fuzzer -I. -o $@ $< build/fuzz/libhaechi.a $(LDFLAGS) $(LDLIBS)

$(B)/bench/%: tests/bench/%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(if $(V),,@echo "  link    $@")
	$(Q)$(CC) $(CFLAGS) -o $@ $< $(LIBRARY) $(LDFLAGS) $(LDLIBS)

$(B)/tools/%: tests/tools/%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(if $(V),,@echo "  link    $@")
	$(Q)$(CC) $(CFLAGS) -o $@ $< $(LIBRARY) $(LDFLAGS) $(LDLIBS)

$(B)/tools/train_model: $(wildcard tests/tools/train/*.[ch]) $(LIBRARY)
	@mkdir -p $(@D)
	$(if $(V),,@echo "  link    $@")
	$(Q)$(CC) $(CFLAGS) -o $@ $(filter %.c,$^) $(LIBRARY) $(LDFLAGS) $(LDLIBS)

# What is put between a program and the C library: never instrumented itself.
$(B)/tools/%.so: tests/preload/%.c
	@mkdir -p $(@D)
	$(if $(V),,@echo "  link    $@")
	$(Q)$(CC) -std=c17 -D_DEFAULT_SOURCE -O2 -g $(WARNINGS) $(ERRORS) -fPIC -shared -o $@ $< -pthread

tests: programs $(UNIT) $(REPLAY) $(TOOLS) $(PRELOADS)

test: SETUP = test
test: deploy/.ready ## install what tests need, build, run every test
	@$(MAKE) --no-print-directory -j$(JOBS) tests
	@tests/run.sh $(B)

bench: SETUP = bench
bench: deploy/.ready ## measure: ratios against peers, in one run
	@$(MAKE) --no-print-directory -j$(JOBS) programs $(BENCH) $(B)/tools/evidence_fill
	@tests/bench/cedar.sh $(B)
	@$(B)/bench/classify
	@tests/bench/evidence.sh $(B)
	@tests/bench/run.sh $(B)
	@tests/bench/engine_cpu.sh $(B) || [ $$? = 77 ]
	@tests/bench/engine_gpu.sh $(B) || [ $$? = 77 ]

SECONDS_EACH ?= 60
fuzz: SETUP = test
fuzz: deploy/.ready $(FUZZ) ## every fuzz target for SECONDS_EACH (60)
	@for target in $(FUZZ); do \
		name=$${target##*/fuzz_}; mkdir -p build/fuzz/corpus/$$name tests/fuzz/corpus/$$name; \
		echo "== $$name"; $$target -max_total_time=$(SECONDS_EACH) -timeout=10 -print_final_stats=1 \
		build/fuzz/corpus/$$name tests/fuzz/corpus/$$name 2>&1 | tail -n 8 || exit 1; done

asan: ## the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(MAKE) --no-print-directory VARIANT=asan test
tsan: ## the tests under ThreadSanitizer
	@setarch -R $(MAKE) --no-print-directory VARIANT=tsan test
coverage: ## line coverage of the tests, as a table
	@$(MAKE) --no-print-directory VARIANT=coverage test
	@tests/coverage.sh

run: SETUP = run
run: deploy/.ready ## the whole of Haechi on this machine: PostgreSQL, engine, gateway on 127.0.0.1:8080
	@$(MAKE) --no-print-directory -j$(JOBS) programs
	@deploy/run.sh

lint: ## compilers with -Werror, the analyzer, clang-tidy, cppcheck, floors, manual pages
	@tests/lint.sh

format: ## clang-format over every source
	@git ls-files '*.c' '*.h' | xargs clang-format -i

floors: ## no wing includes another, the ground includes nothing above it
	@tests/floors.sh

PREFIX ?= /usr/local
install: programs ## programs, manual pages and rules under PREFIX (/usr/local)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/haechi $(DESTDIR)$(PREFIX)/share/man/man1 \
		$(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 755 $(BUILT) $(DESTDIR)$(PREFIX)/bin
	cp -R policy/act policy/agency schema/sql schema/haechi.cedarschema schema/usecase.schema.json $(DESTDIR)$(PREFIX)/share/haechi
	for page in $(wildcard */*.1 */*.5 */*.8); do \
		install -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/; done

clean: ## remove build/ (var/ with keys and evidence stays)
	rm -rf build

-include $(shell find $(B)/obj $(B)/tests $(B)/bench -name '*.d' 2>/dev/null)
