# nginx-entra: `make help` lists the targets

BUILD         ?= build
CC            ?= cc
FUZZ_CC       ?= clang
FUZZ_SECONDS  ?= 20
CANARY_SECONDS ?= 60
MODEL_CASES   ?= 1000000
MODEL_SEED    ?= 1
PROVE         ?= prove
JOBS          ?= 2

# whose sources the module is built against, and the nginx that loads it; how
# to build for another one than this machine's is in .ci/build
NGINX         ?= nginx
NGINX_SRC     ?= /usr/share/nginx/src
export NGINX_SRC NGINX_FLAGS NGINX_CC_OPT NGINX_LD_OPT CC

SRC   := $(sort $(wildcard src/*.c src/*/*.c))
HDR   := $(wildcard src/*.h src/*/*.h ngx_module/*.h ngx_module/*/*.h t/unit/*.h)
MOD   := $(sort $(wildcard ngx_module/*.c ngx_module/*/*.c))
INC   := $(addprefix -I,$(sort $(dir $(wildcard src/*.h src/*/*.h))))
UNIT  := $(sort $(wildcard t/unit/*_test.c))
FUZZ  := $(sort $(wildcard t/fuzz/*_fuzz.c))
TESTS ?= $(sort $(wildcard t/*.t))

WARN  := -std=gnu99 -Wall -Wextra -Wpointer-arith -Wshadow -Wvla \
         -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter -Werror
SAN   := -fsanitize=address,undefined -fno-sanitize-recover=all \
         -fno-omit-frame-pointer
LIBS  := -lcjson -lssl -lcrypto -lpthread -lm

MODULE   := $(BUILD)/ngx_http_entra_module.so
SAN_OBJ  := $(SRC:src/%.c=$(BUILD)/san/%.o)
FUZZ_OBJ := $(SRC:src/%.c=$(BUILD)/fuzz/obj/%.o)
UNIT_BIN := $(UNIT:t/unit/%.c=$(BUILD)/unit/%)
FUZZ_BIN := $(FUZZ:t/fuzz/%.c=$(BUILD)/fuzz/%)

# what the tests in t/ are told, see t/README.md
export ENTRA_BUILD   := $(abspath $(BUILD))
export ENTRA_MODULE  ?= $(abspath $(MODULE))

.PHONY: all module static asan deps test check unit model test-asan valgrind \
        fuzz canary canary-asan lint interop screenshots bench demo install \
        uninstall dist deb test-deploy clean help

all: module


# --- nginx and the module ---------------------------------------------------

module: $(MODULE)  ## build the module for the nginx of this machine (default)

$(MODULE): $(SRC) $(MOD) $(HDR) config .ci/build
	.ci/build module $(BUILD)/nginx
	install -m 644 $(BUILD)/nginx/ngx_http_entra_module.so $@

static: $(BUILD)/static/nginx  ## build an nginx with the module linked in

$(BUILD)/static/nginx: $(SRC) $(MOD) $(HDR) config .ci/build
	.ci/build static $(BUILD)/static
	$@ -V 2>&1 | head -n 1

asan: $(BUILD)/asan/nginx  ## the same under AddressSanitizer and UBSan

$(BUILD)/asan/nginx: $(SRC) $(MOD) $(HDR) config .ci/build t/asan.ignore
	.ci/build asan $(BUILD)/asan


# --- what is needed ---------------------------------------------------------

deps:  ## install what building and testing need (Debian; asks for root)
	@.ci/deps build test


# --- tests ------------------------------------------------------------------

test: deps  ## install, build, and run the unit tests and t/*.t
	@$(MAKE) --no-print-directory check

check: module $(UNIT_BIN)  ## the same without installing anything
	$(PROVE) -j$(JOBS) -I t/lib $(UNIT_BIN) $(TESTS)

unit: $(UNIT_BIN)  ## the unit tests of src/ alone (ASan and UBSan)
	$(PROVE) $(UNIT_BIN)

model: $(BUILD)/unit/entra_policy_model_test  ## policies: a million cases
	@rc=0; runs=; for half in 0 1; do \
	    ENTRA_MODEL_CASES=$$(($(MODEL_CASES) / 2)) \
	        ENTRA_MODEL_SEED=$$(($(MODEL_SEED) + half)) $< \
	        > $(BUILD)/model.$$half & runs="$$runs $$!"; \
	done; \
	for run in $$runs; do wait $$run || rc=1; done; \
	cat $(BUILD)/model.0 $(BUILD)/model.1; exit $$rc

test-asan: asan  ## run t/*.t with an nginx under ASan and UBSan
	TEST_NGINX_BINARY=$(abspath $(BUILD))/asan/nginx ENTRA_STATIC=1 \
	    ENTRA_SLOW=1 ASAN_OPTIONS=detect_odr_violation=0 \
	    UBSAN_OPTIONS=print_stacktrace=1 \
	    LSAN_OPTIONS=suppressions=$(CURDIR)/t/lsan.suppress:print_suppressions=0 \
	    $(PROVE) -j$(JOBS) -I t/lib $(TESTS)

valgrind: module  ## run t/*.t with nginx under valgrind; slow
	ENTRA_VALGRIND=1 $(PROVE) -I t/lib $(TESTS)

$(BUILD)/san/%.o: src/%.c $(HDR)
	@mkdir -p $(@D)
	$(CC) $(WARN) $(SAN) -g -O1 $(INC) -c -o $@ $<

$(BUILD)/san/libentra.a: $(SAN_OBJ)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/unit/%: t/unit/%.c $(BUILD)/san/libentra.a $(HDR)
	@mkdir -p $(@D)
	$(CC) $(WARN) $(SAN) -g -O1 $(INC) -It/unit -o $@ $< \
	    $(BUILD)/san/libentra.a $(LIBS)

fuzz: $(FUZZ_BIN)  ## run each fuzz target for FUZZ_SECONDS (20)
	@set -e; for f in $(FUZZ_BIN); do \
	    n=$$(basename $$f); mkdir -p $(BUILD)/corpus/$$n; \
	    echo "== $$n"; \
	    $$f -max_total_time=$(FUZZ_SECONDS) -max_len=16384 -timeout=5 \
	        -print_final_stats=0 -verbosity=0 -artifact_prefix=$(BUILD)/$$n- \
	        $(BUILD)/corpus/$$n $$(ls -d t/fuzz/corpus/$$n 2>/dev/null); \
	done

$(BUILD)/fuzz/obj/%.o: src/%.c $(HDR)
	@mkdir -p $(@D)
	$(FUZZ_CC) -std=gnu99 $(SAN) -fsanitize=fuzzer-no-link -g -O1 $(INC) \
	    -c -o $@ $<

$(BUILD)/fuzz/%: t/fuzz/%.c $(FUZZ_OBJ)
	@mkdir -p $(@D)
	$(FUZZ_CC) -std=gnu99 $(SAN) -fsanitize=fuzzer -g -O1 $(INC) -o $@ $< \
	    $(FUZZ_OBJ) $(LIBS)

canary: module  ## random configurations; is a token where it must not be?
	CANARY_SECONDS=$(CANARY_SECONDS) t/canary/run

canary-asan: asan  ## the same with an nginx under ASan and UBSan
	TEST_NGINX_BINARY=$(abspath $(BUILD))/asan/nginx ENTRA_STATIC=1 \
	    ENTRA_SLOW=1 ASAN_OPTIONS=detect_odr_violation=0 \
	    UBSAN_OPTIONS=print_stacktrace=1 \
	    LSAN_OPTIONS=suppressions=$(CURDIR)/t/lsan.suppress:print_suppressions=0 \
	    CANARY_SECONDS=$(CANARY_SECONDS) t/canary/run

interop: module  ## test with other people's clients and servers
	@.ci/deps build test interop
	t/interop/run

screenshots: module  ## of the pages in each state: build/screenshots
	@.ci/deps build test browser
	mkdir -p $(BUILD)/screenshots
	ENTRA_SCREENSHOTS=$(abspath $(BUILD))/screenshots \
		prove --exec '' t/interop/pages.t t/interop/browser.t

lint:  ## check style, layers, bounds and warnings
	@.ci/deps build test lint
	.ci/lint


# --- seeing it --------------------------------------------------------------

demo: deps  ## see it work: an Entra, an Azure ML and the gateway, all local
	@$(MAKE) --no-print-directory module
	t/demo/run

bench: deps  ## measure it, write docs/performance.md
	@.ci/deps bench
	@$(MAKE) --no-print-directory module
	t/bench/run


# --- the rest ---------------------------------------------------------------

install: module  ## put module, entra_proxy.conf and examples into place
	@BUILD=$(BUILD) NGINX=$(NGINX) .ci/install

uninstall:  ## remove what was installed, but for a changed entra_*.conf
	@BUILD=$(BUILD) NGINX=$(NGINX) .ci/install remove

dist:  ## the sources of the version as a tarball
	@BUILD=$(BUILD) .ci/dist

deb:  ## the Debian package, from the committed sources: build/deb
	@.ci/deps build package
	@BUILD=$(BUILD) .ci/deb

test-deploy:  ## install, upgrade and remove it in a fresh root; needs root
	@.ci/deps build test package deploy
	t/deploy/run

clean:  ## remove what was built
	rm -rf $(BUILD)

help:  ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | expand -t 12
