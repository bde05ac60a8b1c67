
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>

#include "entra_str.h"
#include "tap.h"


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

    return done();
}
