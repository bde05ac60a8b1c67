
/*
 * Copyright (C) nginx-entra authors
 */

#include "entra_url.h"
#include "tap.h"


static int
parse(const char *text, entra_url_t *url)
{
    return entra_url_parse(entra_str_c(text), url);
}


static void
good(void)
{
    entra_url_t  u;

    ok(parse("http://127.0.0.1:40342/metadata?a=b", &u) == 0, "http");
    ok(!u.https, "not https");
    ok(entra_str_eq_c(u.host, "127.0.0.1"), "host");
    ok(entra_str_eq_c(u.port, "40342"), "port");
    ok(entra_str_eq_c(u.origin, "http://127.0.0.1:40342"), "origin");
    ok(entra_str_eq_c(u.target, "/metadata?a=b"), "target");
    ok(u.has_query, "query");

    ok(parse("HTTPS://Example.com", &u) == 0, "scheme in any case");
    ok(u.https, "https");
    ok(u.target.len == 0 && u.port.len == 0 && !u.has_query, "no more");

    ok(parse("https://[fe80::1]:443/x", &u) == 0, "IPv6");
    ok(entra_str_eq_c(u.host, "[fe80::1]"), "its host");
    ok(parse("https://a?x", &u) == 0, "query without path");
}


static void
bad(void)
{
    size_t       i;
    char         text[3000];
    entra_url_t  u;

    static const char  *const list[] = {
        "", "http", "http://", "https:///x", "ftp://x", "//x", "x",
        "http://user@host/", "http://user:pass@host/", "http://host:/",
        "http://host:0/", "http://host:65536/", "http://host:1x/",
        "http://ho st/", "http://host/a b", "http://host/#f",
        "http://host\\x", "http://host/\\x", "http://host/\r\nX: y",
        "http://[::1", "http://[]/", "http://[::1]x/", "http://host/\x7f",
        "http://host/\xc3\xa9", "http://h\xc3\xb6st/", "http://host/\"",
        "https://host/{x}", "https://host/a|b", "http://host:80:80/", NULL
    };

    for (i = 0; list[i]; i++) {
        ok(parse(list[i], &u) == -1, "refused: %zu", i);
    }

    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    memcpy(text, "https://a/", 10);
    ok(parse(text, &u) == -1, "refused: too long");
}


static void
message(void)
{
    entra_err_t  err;
    entra_url_t  u;

    entra_err_clear(&err);
    ok(entra_url_check("IDENTITY_ENDPOINT",
                       entra_str("http://user:hunter2@host"), &u, &err) == -1,
       "check");
    ok(err.class == ENTRA_ERR_CONFIG, "class");
    ok(strstr(err.text, "IDENTITY_ENDPOINT is not a URL") == err.text,
       "names what is wrong");
    ok(strstr(err.text, "hunter2") == NULL, "and not the password");
}


static void
parts(void)
{
    unsigned  port;

    ok(entra_url_host(entra_str("a-b_c.example:80")) == 13, "a name");
    ok(entra_url_host(entra_str("127.0.0.1/x")) == 9, "an IPv4 address");
    ok(entra_url_host(entra_str("[::1]:443")) == 5, "an IPv6 address");
    ok(entra_url_host(entra_str("[]")) == 0
       && entra_url_host(entra_str("[::1")) == 0
       && entra_url_host(entra_str("[::g]")) == 0, "none in brackets");
    ok(entra_url_host(entra_str(".a")) == 0
       && entra_url_host(entra_str("a..b")) == 2
       && entra_url_host(entra_str("")) == 0, "no empty label");

    ok(entra_url_port(entra_str(""), &port) == 0 && port == 0, "no port");
    ok(entra_url_port(entra_str(":65535"), &port) == 0 && port == 65535,
       "the last port");
    ok(entra_url_port(entra_str(":0"), &port) != 0
       && entra_url_port(entra_str(":65536"), &port) != 0
       && entra_url_port(entra_str(":"), &port) != 0
       && entra_url_port(entra_str("80"), &port) != 0
       && entra_url_port(entra_str(":80/"), &port) != 0, "none of these");
}


int
main(void)
{
    good();
    bad();
    message();
    parts();

    return done();
}
