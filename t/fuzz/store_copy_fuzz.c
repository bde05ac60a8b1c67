
/*
 * Copyright (C) nginx-entra authors
 *
 * What another process hands over: a message (the first byte is even), or
 * records.  Whatever is taken is in a store that is whole, and is the same
 * when it is copied once more.
 */

#include <stdlib.h>
#include <string.h>

#include "entra_store_copy.h"


#define SIZE  (64 * 1024)
#define ALL   (1 << ENTRA_STORE_SHARED | 1 << ENTRA_STORE_CALLER              \
               | 1 << ENTRA_STORE_SIGN_IN)
#define NOW   1000000


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static entra_store_t
store(void)
{
    void           *memory;
    entra_store_t   s;

    memory = calloc(1, SIZE);

    if (memory == NULL || entra_store_format(memory, SIZE) != 0) {
        abort();
    }

    entra_store_open(&s, memory);

    return s;
}


static unsigned
import(entra_store_t *s, entra_str_t records)
{
    entra_store_copy_t  copy = { .kinds = ALL, .now = NOW };

    (void) entra_store_import(s, &copy, records);

    return copy.copied;
}


static unsigned
export(entra_store_t *s, entra_buf_t *out)
{
    entra_store_copy_t  copy = { .kinds = ALL, .now = NOW };

    while (entra_store_export(s, &copy, out) == 1) {
        /* void */
    }

    return copy.copied;
}


static void
check_records(entra_str_t records)
{
    unsigned       n, lost;
    entra_buf_t    out;
    entra_store_t  one, two;

    one = store();
    two = store();
    entra_buf_init(&out, 4 * SIZE);

    (void) import(&one, records);
    n = export(&one, &out);

    if (entra_store_rebuilds(&one, &lost) != 0 || !entra_buf_ok(&out)
        || import(&two, entra_buf_str(&out)) != n || export(&two, &out) != n)
    {
        abort();
    }

    entra_buf_free(&out);
    free(one.head);
    free(two.head);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    entra_str_t  text, records;

    if (size == 0) {
        return 0;
    }

    text.data = (const char *) data + 1;
    text.len = size - 1;

    if (data[0] % 2) {
        check_records(text);

    } else if (entra_store_copy_open(text, &records) == 1) {
        check_records(records);
    }

    return 0;
}
