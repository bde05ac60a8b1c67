
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_str.h"
#include "tap.h"


/* every byte at every place, in its eight bytes and in the rest */

static void
lower(void)
{
    int     c, i, wrong;
    char    in[19], out[19];
    size_t  n;

    wrong = 0;

    for (n = 0; n <= sizeof(in); n++) {
        for (c = 0; c < 256 * (int) n; c++) {
            memset(in, (c & 1) ? '@' : 'Q', sizeof(in));
            memset(out, '!', sizeof(out));
            in[c >> 8] = (char) c;

            entra_str_lower(out, (entra_str_t) { n, in });

            for (i = 0; i < (int) sizeof(in); i++) {
                wrong += out[i] != (i >= (int) n ? '!'
                                    : in[i] >= 'A' && in[i] <= 'Z'
                                        ? (char) (in[i] + 32) : in[i]);
            }
        }
    }

    ok(wrong == 0, "lower case, ASCII only, nothing beyond the end");

    memcpy(in, "/Subscriptions/X", 16);
    entra_str_lower(in, (entra_str_t) { 16, in });
    ok(memcmp(in, "/subscriptions/x", 16) == 0, "in place");
}


int
main(void)
{
    char         *text;
    int64_t       n;
    entra_buf_t   b;
    entra_str_t   rest;

    ok(entra_str_case_eq_c(entra_str("ListKeys"), "listkeys"), "case folds");
    ok(!entra_str_case_eq_c(entra_str("\xc4\xb0"), "i"), "only ASCII folds");
    ok(entra_str_eq_c(entra_str_trim(entra_str(" a b\r\n")), "a b"), "trims");
    ok(entra_str_trim(entra_str(" \n")).len == 0, "trims to nothing");

    rest = entra_str("a,,b");
    ok(entra_str_eq_c(entra_str_cut(&rest, ','), "a"), "cuts");
    ok(entra_str_cut(&rest, ',').len == 0 && rest.len == 1, "an empty part");
    ok(entra_str_eq_c(entra_str_cut(&rest, ','), "b"), "the last part");
    ok(rest.len == 0 && entra_str_cut(&rest, ',').len == 0, "and no more");

    ok(entra_str_int(entra_str("3599"), &n) == 0 && n == 3599, "reads");
    ok(entra_str_int(entra_str(""), &n) != 0, "empty is no number");
    ok(entra_str_int(entra_str("-1"), &n) != 0, "no sign");
    ok(entra_str_int(entra_str("9223372036854775807"), &n) == 0, "max");
    ok(entra_str_int(entra_str("9223372036854775808"), &n) != 0, "overflow");

    entra_buf_init(&b, 10);
    entra_buf_add_c(&b, "12345");
    entra_buf_addf(&b, "%d", 67890);
    ok(entra_buf_ok(&b), "exactly the maximum");
    entra_buf_add_char(&b, 'x');
    ok(!entra_buf_ok(&b), "over the maximum");
    entra_buf_reset(&b);
    ok(entra_buf_ok(&b) && b.len == 0, "reset");
    entra_buf_add_c(&b, "x");
    text = entra_buf_steal(&b);
    is(text, "x", "stolen");
    entra_free_secret(text);
    entra_buf_free(&b);

    entra_buf_init(&b, 100000);
    for (n = 0; n < 10000; n++) {
        entra_buf_add_c(&b, "0123456789");
    }
    ok(entra_buf_ok(&b) && b.len == 100000, "grows to its maximum");
    entra_buf_free(&b);

    lower();

    return done();
}
