
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>

#include "entra_form.h"
#include "tap.h"


static void
field(const char *text, const char *name, int want, const char *value)
{
    int          rc;
    entra_buf_t  out;

    entra_buf_init(&out, 16);
    rc = entra_form_field(entra_str_c(text), name, &out);

    ok(rc == want && (rc != 1 || entra_str_eq_c(entra_buf_str(&out), value)),
       "%s: %s", text, name);

    entra_buf_free(&out);
}


static void
cookie(const char *header, const char *name, const char *value)
{
    entra_str_t  s;

    s = entra_form_cookie(entra_str_c(header), name);

    ok(entra_str_eq_c(s, value), "cookie %s of \"%s\"", name, header);
}


int
main(void)
{
    char         *big;
    entra_buf_t   out;

    field("a=1&b=2", "a", 1, "1");
    field("a=1&b=2", "b", 1, "2");
    field("a=1&b=2", "c", 0, NULL);
    field("", "a", 0, NULL);
    field("a", "a", 1, "");
    field("a=", "a", 1, "");
    field("=1", "a", 0, NULL);
    field("&&a=1&&", "a", 1, "1");
    field("a=1+2%203%3d", "a", 1, "1 2 3=");
    field("a=%3D%3d=", "a", 1, "===");
    field("%61=1", "a", 1, "1");
    field("%61=1&a=2", "a", -1, NULL);
    field("a=1&a=1", "a", -1, NULL);
    field("aa=1", "a", 0, NULL);
    field("A=1", "a", 0, NULL);
    field("a=%", "a", -1, NULL);
    field("a=%2", "a", -1, NULL);
    field("a=%2g", "a", -1, NULL);
    field("a=%00", "a", -1, NULL);
    field("b=%zz&a=1", "a", 1, "1");
    field("a%=1", "a", 0, NULL);
    field("a=%0D%0A", "a", 1, "\r\n");
    field("a=%ff", "a", 1, "\xff");
    field("a=0123456789abcdef", "a", 1, "0123456789abcdef");
    field("a=0123456789abcdefg", "a", -1, NULL);

    big = malloc(ENTRA_FORM_MAX + 2);
    memset(big, '&', ENTRA_FORM_MAX + 1);
    big[ENTRA_FORM_MAX + 1] = '\0';
    entra_buf_init(&out, 16);
    ok(entra_form_field(entra_str_c(big), "a", &out) == -1, "too long");
    entra_buf_free(&out);
    free(big);

    cookie("a=1", "a", "1");
    cookie("a=1; b=2", "b", "2");
    cookie("a=1;b=2 ; c", "b", "2");
    cookie("a=1; a=2", "a", "");
    cookie("aa=1; xa=2", "a", "");
    cookie("a=b=c", "a", "b=c");
    cookie("A=1", "a", "");
    cookie("", "a", "");
    cookie(";;; =", "a", "");
    cookie("__Host-a=1; a=2", "a", "2");
    cookie("a", "a", "");

    return done();
}
