
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>

#include "entra_path.h"
#include "tap.h"


static void
plain(const char *path)
{
    const char  *why;

    why = entra_path_check(entra_str_c(path));
    ok(why == NULL, "plain: %s%s%s", path, why ? ", but it " : "",
       why ? why : "");
}


static void
ambiguous(const char *path, const char *says)
{
    char         clean[128];
    size_t       i;
    const char  *why;

    for (i = 0; path[i] && i < sizeof(clean) - 1; i++) {
        clean[i] = path[i] >= ' ' && path[i] < 0x7f && path[i] != '#'
                   ? path[i] : '_';
    }

    clean[i] = '\0';
    why = entra_path_check(entra_str_c(path));

    ok(why && strstr(why, says), "%s %s", clean, why ? why : "is plain");
}


static int
same_loose(entra_str_t path)
{
    char    a[8], b[8];
    size_t  n;

    n = entra_path_loose(path, a);

    return entra_path_loose_plain(path, b) == n && memcmp(a, b, n) == 0;
}


/* a request line is checked as its path is: all short ones of such bytes */

static void
targets(void)
{
    char         target[8];
    long         i, n;
    size_t       len, cut;
    unsigned     plain_ones = 0, wrong = 0;
    const char  *why, *want;

    static const char  bytes_of[] = "/a.?%20;";

    for (len = 0; len <= 6; len++) {
        for (n = 1, i = 0; i < (long) len; i++) {
            n *= 8;
        }

        while (n--) {
            for (cut = len, i = 0; i < (long) len; i++) {
                target[i] = bytes_of[n >> 3 * i & 7];
                cut = target[i] == '?' && (size_t) i < cut ? (size_t) i : cut;
            }

            why = entra_path_check_target((entra_str_t) { len, target });
            want = entra_path_check((entra_str_t) { cut, target });

            wrong += why != want;
            plain_ones += why == NULL;

            wrong += entra_path_plain((entra_str_t) { len, target })
                     != (why || memchr(target, '%', cut) ? 0 : cut);

            wrong += why == NULL && memchr(target, '%', cut) == NULL
                     && !same_loose((entra_str_t) { cut, target });
        }
    }

    ok(wrong == 0 && plain_ones > 1000,
       "a request line is checked up to its query string");
}


static void
canonical(const char *path, const char *want)
{
    char    out[256];

    out[entra_path_canonical(entra_str_c(path), out)] = '\0';
    is(out, want, path);
}


static void
loose(const char *path, const char *want)
{
    char    out[256];

    out[entra_path_loose(entra_str_c(path), out)] = '\0';
    is(out, want, path);
}


static void
matches(const char *pattern, const char *path, int want)
{
    ok(entra_path_match(entra_str_c(pattern), entra_str_c(path)) == want,
       "%s %s %s", pattern, want ? "matches" : "does not match", path);
}


/* every byte, raw and encoded: what is let through is a short list */

static void
bytes(void)
{
    int          c, raw, encoded;
    char         path[16];
    const char  *plain_raw = "-._~!$&'()*+,=:@/";
    unsigned     wrong;

    wrong = 0;

    for (c = 0; c < 256; c++) {
        path[0] = '/';
        path[1] = 'a';
        path[2] = (char) c;
        path[3] = 'b';

        raw = entra_path_check((entra_str_t) { 4, path }) == NULL;
        wrong += raw != ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')
                         || (c >= 'A' && c <= 'Z')
                         || (c && strchr(plain_raw, c)));

        snprintf(path, sizeof(path), "/a%%%02xb", (unsigned) c);
        encoded = entra_path_check(entra_str_c(path)) == NULL;
        wrong += encoded != (c >= ' ' && c < 0x7f && !strchr("/\\.%#?;", c));
    }

    ok(wrong == 0, "every byte, raw and encoded, is judged as it should be");
}


/* characters from b on, by the rules of RFC 3629 written differently */

static int
good_utf8(const unsigned *b, int len)
{
    int   k, n;
    long  cp;

    static const long  structure[] = {
        0x2024, 0x2044, 0x2215, 0x2216, 0x29f5, 0x29f8, 0xfe52, 0xfe68,
        0xff0e, 0xff0f, 0xff3c, 0
    };

    while (len > 0) {
        n = b[0] < 0xc0 ? 0 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3
            : b[0] < 0xf8 ? 4 : 0;

        if (n == 0 || n > len) {
            return 0;
        }

        cp = b[0] & (0xff >> (n + 1));

        for (k = 1; k < n; k++) {
            if ((b[k] & 0xc0) != 0x80) {
                return 0;
            }

            cp = cp << 6 | (b[k] & 0x3f);
        }

        if (cp < (n == 2 ? 0x80 : n == 3 ? 0x800 : 0x10000) || cp > 0x10ffff
            || (cp >= 0xd800 && cp <= 0xdfff))
        {
            return 0;
        }

        /* what looks like one of / \\ . */

        for (k = 0; structure[k]; k++) {
            if (cp == structure[k]) {
                return 0;
            }
        }

        b += n;
        len -= n;
    }

    return 1;
}


static void
utf8(void)
{
    int        i, k, n, len;
    char       path[64];
    unsigned   b[4], seed, wrong, good;

    wrong = good = 0;
    seed = 12345;

    for (i = 0; i < 200000; i++) {
        len = 1 + i % 4;

        for (k = 0, n = 0; k < len; k++) {
            seed = seed * 1103515245 + 12345;
            b[k] = 0x80 | (seed >> 16 & 0x7f);
            n += snprintf(path + n, sizeof(path) - (size_t) n, "%s%%%02X",
                          k ? "" : "/", b[k]);
        }

        good += (unsigned) good_utf8(b, len);
        wrong += (entra_path_check(entra_str_c(path)) == NULL)
                 != good_utf8(b, len);
    }

    ok(wrong == 0, "encoded UTF-8: 200000 sequences as the reference says,"
       " %u of them good", good);
}


int
main(void)
{
    plain("/");
    plain("/score");
    plain("/score/");
    plain("/a/b.c/d-e_f~g");
    plain("/mlflow/v1.0/subscriptions/x");
    plain("/blob/my%20file.txt");
    plain("/.well-known/x");
    plain("/..a");
    plain("/Tables('x')");
    plain("/%E4%BD%A0");
    plain("/a%2Cb");

    ambiguous("", "slash");
    ambiguous("score", "slash");
    ambiguous("*", "slash");
    ambiguous("http://host/score", "slash");
    ambiguous("//host/score", "empty segment");
    ambiguous("/a//b", "empty segment");
    ambiguous("/score//", "empty segment");
    ambiguous("/a/../b", "dot segment");
    ambiguous("/a/./b", "dot segment");
    ambiguous("/a/..", "dot segment");
    ambiguous("/..;/b", "semicolon");
    ambiguous("/a;x=y/b", "semicolon");
    ambiguous("/a%3bx", "structure");
    ambiguous("/a%2fb", "structure");
    ambiguous("/a%2Fb", "structure");
    ambiguous("/a%5cb", "structure");
    ambiguous("/%2e%2e/b", "structure");
    ambiguous("/a/.%2e/b", "structure");
    ambiguous("/a%252fb", "structure");
    ambiguous("/a%25252fb", "structure");
    ambiguous("/a%23b", "structure");
    ambiguous("/a%3fb", "structure");
    ambiguous("/a%00b", "control");
    ambiguous("/a%0d%0aSet-Cookie:x", "control");
    ambiguous("/a%7f", "control");
    ambiguous("/a\\b", "backslash");
    ambiguous("/a#b", "fragment");
    ambiguous("/a?b", "query");
    ambiguous("/a\tb", "control");
    ambiguous("/a b", "URL cannot have");
    ambiguous("/a|b", "URL cannot have");
    ambiguous("/caf\xc3\xa9", "not ASCII");
    ambiguous("/a%", "hexadecimal");
    ambiguous("/a%4", "hexadecimal");
    ambiguous("/a%zz", "hexadecimal");
    ambiguous("/a%u002f", "hexadecimal");
    ambiguous("/%c0%af", "UTF-8");
    ambiguous("/%c1%81", "UTF-8");
    ambiguous("/%e0%80%af", "UTF-8");
    ambiguous("/%f0%80%80%af", "UTF-8");
    ambiguous("/%ed%a0%80", "UTF-8");
    ambiguous("/%f4%90%80%80", "UTF-8");
    ambiguous("/%ff", "UTF-8");
    ambiguous("/%c3", "UTF-8");
    ambiguous("/%c3a", "UTF-8");
    ambiguous("/%c3/%a9", "UTF-8");
    ambiguous("/a/..%ef%bc%8fb", "some servers");
    ambiguous("/a/%EF%BC%8E%EF%BC%8E/b", "some servers");
    ambiguous("/a%ef%bc%bcb", "some servers");
    ambiguous("/a%e2%88%95b", "some servers");
    plain("/%ef%bc%a1%ef%bc%9f%e2%84%aa%c5%bf");
    ambiguous("/score.", "ends in a dot");
    ambiguous("/a./b", "ends in a dot");
    ambiguous("/...", "ends in a dot");
    ambiguous("/score%20", "ends in a space");
    ambiguous("/a%20/b", "ends in a space");

    ok(entra_path_check((entra_str_t) { 4, "/a\0b" }) != NULL, "a NUL");

    bytes();
    utf8();
    targets();

    canonical("/score", "/score");
    canonical("/%73core", "/score");
    canonical("/a%7eb%2d", "/a~b-");
    canonical("/a%2cb", "/a%2Cb");
    canonical("/ml%28prod%29", "/ml(prod)");
    canonical("/a%2a%2b%20", "/a%2A%2B%20");
    canonical("/%e4%bd%a0", "/%E4%BD%A0");
    canonical("/a%zz%", "/a%zz%");

    loose("/", "/");
    loose("/Score/", "/score");
    loose("/a%2Cb%41", "/a,ba");
    loose("/%C3%84", "/\xc3\x84");
    loose("/%E2%84%AAey%C5%BF", "/keys");
    loose("/l%c4%b1st%C4%B0", "/listi");
    loose("/%ef%bc%a1%ef%bd%82", "/ab");
    loose("/%e2%84%ab%e2%84", "/\xe2\x84\xab\xe2\x84");

    matches("/score", "/score", 1);
    matches("/score", "/score/", 0);
    matches("/score", "/scores", 0);
    matches("/score", "/Score", 0);
    matches("/score", "/", 0);
    matches("/", "/", 1);
    matches("/", "/a", 0);
    matches("/*", "/", 0);
    matches("/*", "/a", 1);
    matches("/*", "/a/b/c", 1);
    matches("/score/*", "/score", 0);
    matches("/score/*", "/score/", 0);
    matches("/score/*", "/score/x", 1);
    matches("/score/*", "/score/x/y/", 1);
    matches("/score/*", "/scored/x", 0);
    matches("/*/score", "/ep/score", 1);
    matches("/*/score", "/a/b/score", 0);
    matches("/*/score", "//score", 0);
    matches("/a/*/c/*", "/a/b/c/d/e", 1);
    matches("/a/*/c/*", "/a/b/c/", 0);
    matches("/a/*/c/*", "/a/b/d/e", 0);
    matches("/a/", "/a/", 1);
    matches("/a/", "/a", 0);
    matches("/a*", "/ab", 0);
    matches("/*", "a", 0);

    return done();
}
