# make help lists the targets

BUILD       ?= build
CC          ?= cc
FUZZ_CC     ?= clang
FUZZ_SECONDS ?= 20
NGINX_SRC   ?= /usr/share/nginx/src

SRC   := $(sort $(wildcard src/*.c))
HDR   := $(wildcard src/*.h ngx_module/*.h t/unit/*.h)
GLUE  := $(sort $(wildcard ngx_module/*.c))
UNIT  := $(sort $(wildcard t/unit/*_test.c))
FUZZ  := $(sort $(wildcard t/fuzz/*_fuzz.c))

WARN  := -std=gnu99 -Wall -Wextra -Wpointer-arith -Wshadow -Wvla \
         -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter -Werror
SAN   := -fsanitize=address,undefined -fno-sanitize-recover=all \
         -fno-omit-frame-pointer
LIBS  := -lcjson -lssl -lcrypto -lpthread -lm

SAN_OBJ  := $(SRC:src/%.c=$(BUILD)/san/%.o)
FUZZ_OBJ := $(SRC:src/%.c=$(BUILD)/fuzz/obj/%.o)
UNIT_BIN := $(UNIT:t/unit/%.c=$(BUILD)/unit/%)
FUZZ_BIN := $(FUZZ:t/fuzz/%.c=$(BUILD)/fuzz/%)

.PHONY: all module unit fuzz clean help

all: module

module: $(BUILD)/ngx_http_entra_module.so  ## build the module for the nginx of this machine

$(BUILD)/san/%.o: src/%.c $(HDR)
	@mkdir -p $(@D)
	$(CC) $(WARN) $(SAN) -g -O1 -Isrc -c -o $@ $<

$(BUILD)/san/libentra.a: $(SAN_OBJ)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/unit/%: t/unit/%.c $(BUILD)/san/libentra.a $(HDR)
	@mkdir -p $(@D)
	$(CC) $(WARN) $(SAN) -g -O1 -Isrc -It/unit -o $@ $< \
	    $(BUILD)/san/libentra.a $(LIBS)

unit: $(UNIT_BIN)  ## run the unit tests of src/ under ASan and UBSan
	prove -e '' $(UNIT_BIN)

$(BUILD)/fuzz/obj/%.o: src/%.c $(HDR)
	@mkdir -p $(@D)
	$(FUZZ_CC) -std=gnu99 $(SAN) -fsanitize=fuzzer-no-link -g -O1 -Isrc \
	    -c -o $@ $<

$(BUILD)/fuzz/%: t/fuzz/%.c $(FUZZ_OBJ)
	@mkdir -p $(@D)
	$(FUZZ_CC) -std=gnu99 $(SAN) -fsanitize=fuzzer -g -O1 -Isrc -o $@ $< \
	    $(FUZZ_OBJ) $(LIBS)

fuzz: $(FUZZ_BIN)  ## run each fuzz target for FUZZ_SECONDS
	@set -e; for f in $(FUZZ_BIN); do \
	    n=$$(basename $$f); mkdir -p $(BUILD)/corpus/$$n; \
	    echo "== $$n"; \
	    $$f -max_total_time=$(FUZZ_SECONDS) -max_len=16384 -timeout=5 \
	        -print_final_stats=0 -verbosity=0 -artifact_prefix=$(BUILD)/$$n- \
	        $(BUILD)/corpus/$$n $$(ls -d t/fuzz/corpus/$$n 2>/dev/null); \
	done

$(BUILD)/ngx_http_entra_module.so: $(SRC) $(GLUE) $(HDR) config
	@mkdir -p $(BUILD)
	cd $(NGINX_SRC) && bash -c '. ./conf_flags && ./configure \
	    --with-cc-opt="-g -O2 -fPIC -Wextra -Wno-unused-parameter" \
	    "$${NGINX_CONF_FLAGS[@]}" --add-dynamic-module=$(CURDIR) \
	    --builddir=$(abspath $(BUILD))/nginx' >$(abspath $(BUILD))/configure.log 2>&1 \
	    || { tail -30 $(abspath $(BUILD))/configure.log; exit 1; }
	$(MAKE) -f $(abspath $(BUILD))/nginx/Makefile -C $(NGINX_SRC) modules
	cp $(BUILD)/nginx/ngx_http_entra_module.so $@

clean:  ## remove what was built
	rm -rf $(BUILD)

help:  ## this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12
