
/*
 * Copyright (C) nginx-entra authors
 *
 * Records in an encrypted file: all of them, in their order, or nothing.
 */

#include <stdlib.h>

#include "entra_store_file.h"
#include "tap.h"


#define MAX  (1024 * 1024)


static entra_str_t  key = { 32, "0123456789abcdef0123456789abcdef" };


/* a file of n bytes that are written in pieces of this size */

static void
make(size_t n, size_t piece, entra_buf_t *out)
{
    size_t              i;
    entra_buf_t         plain;
    entra_store_file_t  file;

    entra_buf_init(out, MAX);
    entra_buf_init(&plain, MAX);

    if (entra_store_file_begin(&file, key, out) != 0) {
        abort();
    }

    for (i = 0; i < n; i++) {
        entra_buf_add_char(&plain, (char) (i * 7 % 251));

        if (i % piece == piece - 1
            && entra_store_file_seal(&file, &plain, 0, out) != 0)
        {
            abort();
        }
    }

    if (entra_store_file_seal(&file, &plain, 1, out) != 0 || plain.len) {
        abort();
    }

    entra_buf_free(&plain);
}


static int
opens(entra_str_t text)
{
    int          rc;
    entra_buf_t  plain;

    entra_buf_init(&plain, MAX);
    rc = entra_store_file_open(key, text, &plain);
    entra_buf_free(&plain);

    return rc;
}


static void
test_sizes(void)
{
    size_t       i, n, bad;
    unsigned     s;
    entra_buf_t  out, plain;

    static const size_t  sizes[] = { 0, 1, ENTRA_STORE_FILE_FRAME - 1,
                                     ENTRA_STORE_FILE_FRAME,
                                     ENTRA_STORE_FILE_FRAME + 1,
                                     5 * ENTRA_STORE_FILE_FRAME, 200000 };

    for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        n = sizes[s];
        make(n, 20000, &out);
        entra_buf_init(&plain, MAX);

        ok(entra_store_file_open(key, entra_buf_str(&out), &plain) == 1
           && plain.len == n, "%zu bytes", n);

        for (bad = i = 0; i < n; i++) {
            bad += plain.data[i] != (char) (i * 7 % 251);
        }

        ok(bad == 0, "are those that were written");

        entra_buf_free(&plain);
        entra_buf_free(&out);
    }
}


static void
test_damage(void)
{
    char         *copy;
    size_t        i, n, head;
    uint32_t      len;
    entra_buf_t   out, other;
    entra_str_t   text;

    make(40000, 1000, &out);
    text = entra_buf_str(&out);

    for (n = 0, i = 0; i < out.len; i += i < 300 ? 1 : 97) {
        n += opens((entra_str_t) { i, out.data }) == 1;
    }

    ok(n == 0, "cut anywhere");

    for (n = 0, i = 0; i < out.len; i += i < 300 ? 1 : 97) {
        out.data[i] ^= 1;
        n += opens(text) == 1;
        out.data[i] ^= 1;
    }

    ok(n == 0, "changed anywhere");
    ok(opens(text) == 1, "and as it was");

    out.data[13] = '2';
    ok(opens(text) == 0, "of another version");
    out.data[13] = '1';

    entra_buf_add_char(&out, 'x');
    ok(opens(entra_buf_str(&out)) == -1, "with more behind it");

    /* the second frame before the first, or without it */

    head = 15 + ENTRA_STORE_FILE_ID;
    memcpy(&len, out.data + head, sizeof(len));
    n = sizeof(len) + len;
    copy = malloc(out.len);

    memcpy(copy, out.data, head);
    memcpy(copy + head, out.data + head + n, n);
    memcpy(copy + head + n, out.data + head, n);
    memcpy(copy + head + 2 * n, out.data + head + 2 * n,
           out.len - 1 - head - 2 * n);
    ok(opens((entra_str_t) { out.len - 1, copy }) == -1, "another order");

    memcpy(copy + head, out.data + head + n, out.len - 1 - head - n);
    ok(opens((entra_str_t) { out.len - 1 - n, copy }) == -1,
       "the first one is missing");

    make(40000, 1000, &other);
    memcpy(out.data + head, other.data + head, n);
    ok(opens((entra_str_t) { out.len - 1, out.data }) == -1,
       "a frame of another file");

    free(copy);
    entra_buf_free(&other);
    entra_buf_free(&out);
}


static void
test_key(void)
{
    entra_buf_t  out, plain;

    make(100, 1000, &out);
    entra_buf_init(&plain, MAX);

    ok(entra_store_file_open(entra_str("0123456789abcdef0123456789abcdeX"),
                             entra_buf_str(&out), &plain) == -1
       && plain.len == 0, "another key");

    entra_buf_free(&plain);
    entra_buf_init(&plain, 50);
    ok(entra_store_file_open(key, entra_buf_str(&out), &plain) == -1,
       "more than there is room for");

    entra_buf_free(&plain);
    entra_buf_free(&out);
}


int
main(void)
{
    test_sizes();
    test_damage();
    test_key();

    return done();
}
