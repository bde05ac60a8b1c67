
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_ascii.h"
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


static void
classes(void)
{
    int   c, wrong = 0;
    char  digits[] = "00";

    static const char  alpha[] = "abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char  hex[] = "0123456789abcdef";

    for (c = -128; c < 256; c++) {
        const char  *p = c > 0 ? strchr(alpha, c) : NULL;
        const char  *d = c > 0 ? strchr(hex, p && c < 'a' ? c + 32 : c) : NULL;

        wrong += entra_is_alpha(c) != (p != NULL);
        wrong += entra_is_digit(c) != (c > 0 && d && d - hex < 10);
        wrong += entra_hex_digit(c) != (c > 0 && d ? (int) (d - hex) : -1);
        wrong += entra_lower(c) != (p && c < 'a' ? c + 32 : c);
        wrong += entra_is_control(c) != ((c >= 0 && c < 32) || c == 127);
        wrong += entra_is_visible(c) != (c > 32 && c < 127);
    }

    ok(wrong == 0, "classes of characters");

    for (c = 0; c < 256; c++) {
        digits[0] = hex[c >> 4];
        digits[1] = hex[c & 15];
        wrong += entra_hex_byte(digits) != c;
    }

    ok(wrong == 0 && entra_hex_byte("0g") == -1 && entra_hex_byte("%0") == -1,
       "two hexadecimal digits");
}


static void
words(void)
{
    ok(entra_str_is_word(entra_str("a-Z_9"), "_-"), "a word");
    ok(!entra_str_is_word(entra_str("a b"), "_-"), "two words");
    ok(!entra_str_is_word(entra_str("a\0b"), "_-"), "a word with a NUL");
    ok(!entra_str_is_word(entra_str(""), "_-"), "no word");
    ok(!entra_str_is_word(entra_str("\xc3\xa4"), "_-"), "a word of UTF-8");

    ok(entra_str_is_guid(entra_str("72f988bf-86F1-41af-91ab-2d7cd011db47")),
       "a GUID");
    ok(!entra_str_is_guid(entra_str("72f988bf-86f1-41af-91ab-2d7cd011db4")),
       "a GUID cut short");
    ok(!entra_str_is_guid(entra_str("72f988bf-86f1-41af-91ab-2d7cd011db4g")),
       "a GUID with another letter");
    ok(!entra_str_is_guid(entra_str("72f988bf086f1-41af-91ab-2d7cd011db47")),
       "a GUID without a hyphen");

    ok(entra_str_is_nearly_guid(
           entra_str("72f988bf-86f1-41af-91ab-2d7cd011db4")), "a digit short");
    ok(entra_str_is_nearly_guid(
           entra_str("{72f988bf-86f1-41af-91ab-2d7cd011db47}")), "in braces");
    ok(entra_str_is_nearly_guid(
           entra_str("72f988bf-86f1-41af-91ab-2d7cd011dbO7")), "an O for a 0");
    ok(!entra_str_is_nearly_guid(
           entra_str("72f988bf-86f1-41af-91ab-2d7cd011db47")), "one is one");
    ok(!entra_str_is_nearly_guid(
           entra_str("the-gateway-of-a-very-old-department")), "a name");
    ok(!entra_str_is_nearly_guid(
           entra_str("abc.example-of-a-company.onmicrosoft.com")), "a domain");
    ok(!entra_str_is_nearly_guid(entra_str("app")), "a short one");

    ok(entra_str_has(entra_str("abc"), "bc")
       && entra_str_has(entra_str("a"), "")
       && !entra_str_has(entra_str("ab"), "abc")
       && !entra_str_has(entra_str(""), "a"), "a part of a string");

    ok(entra_str_has_control(entra_str("a\x7f"))
       && !entra_str_has_control(entra_str("a \xc3")), "a control character");
    ok(entra_str_is_visible(entra_str("a~!"))
       && !entra_str_is_visible(entra_str("a b"))
       && !entra_str_is_visible(entra_str("\xc3")), "visible ASCII");
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
    classes();
    words();

    return done();
}
