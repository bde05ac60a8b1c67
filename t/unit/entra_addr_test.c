
/*
 * Copyright (C) nginx-entra authors
 */

#include "entra_addr.h"
#include "tap.h"


static void
reads(const char *text, const char *want)
{
    char          out[ENTRA_ADDR_TEXT_MAX];
    entra_addr_t  addr;

    ok(entra_addr_parse(&addr, entra_str_c(text)) == 0, "reads %s", text);
    is(entra_addr_text(&addr, out), want, "and writes it");
}


static void
refuses(const char *text)
{
    entra_addr_t  addr;

    memset(&addr, 0xff, sizeof(addr));

    ok(entra_addr_parse(&addr, entra_str_c(text)) == -1
       && addr.family == ENTRA_ADDR_UNKNOWN, "refuses \"%s\"", text);
}


int
main(void)
{
    size_t         i;
    char           out[ENTRA_ADDR_TEXT_MAX];
    entra_addr_t   a, b;

    static const unsigned char  mapped[16] = {
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 1, 1
    };

    static const char *const  bad[] = {
        "", "1", "1.2", "1.2.3", "1.2.3.4.5", "010.1.1.1", "1.2.3.04",
        "0xa.1.1.1", "10.1", "167837953", "256.1.1.1", "1.2.3.-4", "1.2.3.4 ",
        " 1.2.3.4", "1.2.3.4:99", "1.2.3.4/32", "+1.2.3.4", "1..2.3",
        "1.2.3.4.", ".1.2.3.4", "1.2.3.1000",
        ":", ":::", "1:", ":1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
        "1::2::3", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "12345::",
        "g::", "fe80::1%eth0", "fe80::1%1", "[::1]", "[::1]:80", "::1/128",
        "::ffff:010.1.1.1", "::ffff:10.1.1", "::1.2.3.4:5", "1.2.3.4::",
        "1:2:3:4:5:6:7:1.2.3.4", "0:0:0:0:0:ffff:1.2.3.4.5", "unix:",
        "unknown", "::ffff:0xa.1.1.1", "\xef\xbc\x91.2.3.4",
        "1111:1111:1111:1111:1111:1111:111111111.111.111.111"
    };

    reads("0.0.0.0", "0.0.0.0");
    reads("255.255.255.255", "255.255.255.255");
    reads("198.51.100.7", "198.51.100.7");
    reads("::", "::");
    reads("::1", "::1");
    reads("2001:DB8:0:0:8:800:200C:417A", "2001:db8::8:800:200c:417a");
    reads("2001:db8::0001", "2001:db8::1");
    reads("1:0:0:2:0:0:0:3", "1:0:0:2::3");
    reads("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7");
    reads("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0");
    reads("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8");

    /* RFC 4291, section 2.5.5.2; and the embeddings that stay what they are */

    reads("::ffff:10.1.1.1", "10.1.1.1");
    reads("::FFFF:a01:101", "10.1.1.1");
    reads("0:0:0:0:0:ffff:10.1.1.1", "10.1.1.1");
    reads("2002:0a01:0101::1", "2002:a01:101::1");
    reads("64:ff9b::10.1.1.1", "64:ff9b::a01:101");
    reads("::10.1.1.1", "::a01:101");
    reads("::ffff:0:10.1.1.1", "::ffff:0:a01:101");

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        refuses(bad[i]);
    }

    ok(entra_addr_parse(&a, (entra_str_t) { 8, "1.2.3.4\0" }) == -1,
       "refuses a NUL at the end");

    entra_addr_v6(&a, mapped);
    is(entra_addr_text(&a, out), "10.1.1.1", "bytes are unmapped too");
    ok(entra_addr_parse(&b, entra_str("10.1.1.1")) == 0
       && entra_addr_eq(&a, &b), "and equal");

    memset(&a, 0, sizeof(a));
    memset(&b, 0, sizeof(b));
    ok(!entra_addr_eq(&a, &b), "two unknown addresses are not equal");
    is(entra_addr_text(&a, out), "unknown", "zeroed memory is unknown");

    entra_addr_unix(&a);
    entra_addr_unix(&b);
    ok(entra_addr_eq(&a, &b), "unix sockets are");
    is(entra_addr_text(&a, out), "unix:", "and are written as nginx does");

    return done();
}
