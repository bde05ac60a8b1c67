
/*
 * Copyright (C) nginx-entra authors
 *
 * Files of named locations: what is accepted is a set that holds the first
 * and the last address of each of its ranges.
 */

#include <stdlib.h>
#include <string.h>

#include "entra_named_location.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
bounds(const entra_cidr_set_t *set)
{
    size_t              i, k;
    entra_addr_t        addr;
    unsigned char       bytes[16];
    entra_cidr_key_t    key;
    entra_cidr_range_t  range;

    for (i = 0; entra_cidr_set_range(set, i, &range); i++) {
        for (k = 0; k < 32; k++) {
            key = k < 16 ? range.first : range.last;
            bytes[k % 16] = (unsigned char)
                            ((k % 16 < 8 ? key.hi : key.lo)
                             >> (56 - 8 * (k % 8)));

            if (k % 16 == 15) {
                entra_addr_v6(&addr, bytes);

                if (!entra_cidr_set_has(set, &addr)) {
                    abort();
                }
            }
        }
    }

    if (i == 0) {
        abort();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                rc;
    unsigned           select;
    entra_err_t        err;
    entra_str_t        text;
    entra_cidr_load_t  load;

    text.data = (const char *) data;
    text.len = size;

    for (select = 0; select < 2; select++) {
        entra_err_clear(&err);
        memset(&load, 0, sizeof(entra_cidr_load_t));

        do {
            rc = entra_cidr_list_part(&load, text, "file",
                                      select ? "A" : NULL, 3, &err);
        } while (rc == 1);

        if (rc == 0) {
            bounds(&load.set);

        } else if (err.text[0] == '\0') {
            abort();
        }

        entra_cidr_set_free(&load.set);
    }

    return 0;
}
