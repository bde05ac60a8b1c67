
/*
 * Copyright (C) nginx-entra authors
 */

#include "entra_enc.h"
#include "tap.h"


static entra_buf_t  out;


static const char *
base64url(const char *text)
{
    entra_buf_reset(&out);
    entra_enc_base64url(&out, text, strlen(text));

    return entra_buf_str(&out).data;
}


static const char *
base64(const char *text)
{
    entra_buf_reset(&out);
    entra_enc_base64(&out, text, strlen(text));

    return entra_buf_str(&out).data;
}


static const char *
decoded(const char *text)
{
    entra_buf_reset(&out);

    return entra_dec_base64url(&out, entra_str_c(text)) == 0
           ? entra_buf_str(&out).data : "refused";
}


static const char *
lenient(const char *text)
{
    entra_buf_reset(&out);

    return entra_dec_base64_lenient(&out, entra_str_c(text)) == 0
           ? entra_buf_str(&out).data : "refused";
}


static const char *
json(entra_str_t text)
{
    entra_buf_reset(&out);
    entra_enc_json(&out, text);

    return entra_buf_str(&out).data;
}


static void
test_base64(void)
{
    /* RFC 4648, section 10 */

    is(base64(""), "", "\"\"");
    is(base64("f"), "Zg==", "f");
    is(base64("fo"), "Zm8=", "fo");
    is(base64("foo"), "Zm9v", "foo");
    is(base64("foobar"), "Zm9vYmFy", "foobar");
    is(base64("\xff\xfe\xfb"), "//77", "alphabet");
    is(base64url("\xff\xfe\xfb"), "__77", "URL alphabet");
    is(base64url("f"), "Zg", "URL alphabet, no padding");

    is(decoded("Zg"), "f", "decoded");
    is(decoded(""), "", "nothing");
    is(decoded("Zm9vYmFy"), "foobar", "decoded");
    is(decoded("Zg=="), "refused", "padding");
    is(decoded("Zh"), "refused", "bits that are left are not zero");
    is(decoded("Zm9"), "refused", "the same with 3 characters");
    is(decoded("Z"), "refused", "dangling character");
    is(decoded("Zm9v/w"), "refused", "the other alphabet");
    is(decoded("Zm 9"), "refused", "white space");
    is(decoded("__77"), "\xff\xfe\xfb", "URL alphabet");

    is(lenient("//77"), "\xff\xfe\xfb", "lenient: standard alphabet");
    is(lenient("__77"), "\xff\xfe\xfb", "lenient: URL alphabet");
    is(lenient("Zg=="), "f", "lenient: padding");
    is(lenient("Zg"), "f", "lenient: no padding");
    is(lenient("Zh"), "f", "lenient: bits that are left");
    is(lenient("Zg="), "refused", "lenient: half a padding");
    is(lenient("="), "refused", "lenient: padding of nothing");
    is(lenient("Zm9v===="), "refused", "lenient: too much padding");
    is(lenient("Z!"), "refused", "lenient: not a character of it");
}


static void
test_form(void)
{
    entra_buf_reset(&out);
    entra_enc_form_pair(&out, "a", entra_str("x y"));
    entra_enc_form_pair(&out, "b", entra_str("+&=%/~.-_\xc3\xa4"));
    is(out.data, "a=x%20y&b=%2B%26%3D%25%2F~.-_%C3%A4", "form");

    entra_buf_reset(&out);
    entra_enc_hex(&out, "\x00\xff\x10", 3);
    is(out.data, "00ff10", "hex");
}


static void
test_json(void)
{
    is(json(entra_str("a\"b\\c/")), "\"a\\\"b\\\\c/\"", "quotes");
    is(json(entra_str("\n\r\t\x01\x7f")), "\"\\n\\r\\t\\u0001\\u007f\"",
       "control characters");
    is(json(entra_str("a\0b")), "\"a\\u0000b\"", "NUL");
    is(json(entra_str("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80")),
       "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"", "UTF-8 stays");
    is(json(entra_str("\xc3")), "\"\\u00c3\"", "cut character");
    is(json(entra_str("\xc0\xaf")), "\"\\u00c0\\u00af\"", "overlong");
    is(json(entra_str("\xed\xa0\x80")), "\"\\u00ed\\u00a0\\u0080\"",
       "surrogate");
    is(json(entra_str("\xf4\x90\x80\x80")),
       "\"\\u00f4\\u0090\\u0080\\u0080\"", "over U+10FFFF");
    is(json(entra_str("\xe2\x82x")), "\"\\u00e2\\u0082x\"", "half of one");
}


static void
test_html(void)
{
    entra_buf_reset(&out);
    entra_enc_html(&out, entra_str("<a b='c' d=\"e\">&\x01\r\n\xff\xc3\xa4"
                                   "\x7f"));
    is(out.data, "&lt;a b=&#39;c&#39; d=&quot;e&quot;&gt;&amp;    \xc3\xa4 ",
       "HTML");
}


int
main(void)
{
    entra_buf_init(&out, 1000);

    test_base64();
    test_form();
    test_json();
    test_html();

    entra_buf_free(&out);

    return done();
}
