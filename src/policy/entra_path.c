
/*
 * Copyright (C) nginx-entra authors
 */

#include <string.h>

#include "entra_ascii.h"
#include "entra_path.h"


/* what a segment may hold as it is: RFC 3986, section 3.3, without ";" */

static const unsigned char  entra_path_bytes[256] = {
    ['!'] = 1,
    ['$'] = 1,
    ['&' ... '.'] = 1,          /* &'()*+,-. */
    ['0' ... ':'] = 1,
    ['='] = 1,
    ['@' ... 'Z'] = 1,
    ['_'] = 1,
    ['a' ... 'z'] = 1,
    ['~'] = 1
};


/* the byte that %XX at p stands for; -1: it is none */

static int
entra_path_escape(const char *p, const char *end)
{
    return end - p < 3 ? -1 : entra_hex_byte(p + 1);
}


/* RFC 3986, section 2.3 */

static int
entra_path_unreserved(int c)
{
    return entra_is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}


/*
 * Decoded when paths are compared.  Names in Azure have parentheses, which
 * its SDK for Python encodes and others do not; no URL has a meaning for them.
 */

static int
entra_path_decoded(int c)
{
    return entra_path_unreserved(c) || c == '(' || c == ')';
}


/* why a byte that is not plain is refused */

static const char *
entra_path_check_byte(unsigned char c)
{
    if (entra_is_control(c)) {
        return "has a control character";
    }

    if (c > 0x7f) {
        return "has bytes that are not ASCII";
    }

    switch (c) {

    case '\\':
        return "has a backslash";

    case ';':
        return "has a semicolon, which begins a parameter for some servers";

    case '#':
    case '?':
        return "has the beginning of a fragment or a query";
    }

    return "has a character that a URL cannot have";
}


static const char *
entra_path_check_escape(int c)
{
    if (c < 0) {
        return "has a \"%\" without two hexadecimal digits";
    }

    if (entra_is_control(c)) {
        return "has an encoded control character";
    }

    if (strchr("/\\.%#?;", c)) {
        return "has an encoded character that would be structure:"
               " one of / \\ . % # ? ;";
    }

    return NULL;
}


/*
 * The ASCII that some servers take a character for: by compatibility (NFKC),
 * by a code page's best fit, by folding letter case; or 0.
 */

static int
entra_path_folded(int character)
{
    if (character >= 0xff01 && character <= 0xff5e) {
        return character - 0xfee0;                      /* full width */
    }

    switch (character) {

    case 0x2044:
    case 0x2215:
    case 0x29f8:
        return '/';

    case 0x2024:
    case 0xfe52:
        return '.';

    case 0x2216:
    case 0x29f5:
    case 0xfe68:
        return '\\';

    case 0x0130:
    case 0x0131:
        return 'i';

    case 0x017f:
        return 's';

    case 0x212a:
        return 'k';
    }

    return 0;
}


/*
 * The encoded bytes from p on that make one character: bytes beyond the
 * first one; -1: not UTF-8 (RFC 3629: the shortest form, no surrogates).
 */

static int
entra_path_utf8(const char *p, const char *end, int first, int *character)
{
    int  i, n, c, low, high;

    low = 0x80;
    high = 0xbf;

    if (first >= 0xc2 && first <= 0xdf) {
        n = 1;

    } else if (first >= 0xe0 && first <= 0xef) {
        n = 2;
        low = first == 0xe0 ? 0xa0 : 0x80;
        high = first == 0xed ? 0x9f : 0xbf;

    } else if (first >= 0xf0 && first <= 0xf4) {
        n = 3;
        low = first == 0xf0 ? 0x90 : 0x80;
        high = first == 0xf4 ? 0x8f : 0xbf;

    } else {
        return -1;
    }

    *character = first & (0x3f >> n);

    for (i = 1; i <= n; i++) {
        p += 3;

        if (p >= end || *p != '%') {
            return -1;
        }

        c = entra_path_escape(p, end);
        if (c < low || c > high) {
            return -1;
        }

        *character = *character << 6 | (c & 0x3f);

        low = 0x80;
        high = 0xbf;
    }

    return n;
}


/* from start to end: a segment, its bytes already checked */

static const char *
entra_path_check_segment(const char *start, const char *end)
{
    size_t  len = (size_t) (end - start);

    if (len == 0) {
        return NULL;
    }

    if (end[-1] == '.') {
        if (len == 1 || (len == 2 && start[0] == '.')) {
            return "has a dot segment";
        }

        return "has a segment that ends in a dot";
    }

    if (len >= 3 && memcmp(end - 3, "%20", 3) == 0) {
        return "has a segment that ends in a space";
    }

    return NULL;
}


/* a "%" at *pos, which goes on behind what it encodes */

static const char *
entra_path_check_encoded(const char **pos, const char *end)
{
    int          c, n, character, folded;
    const char  *why;

    c = entra_path_escape(*pos, end);
    n = 0;

    if (c > 0x7f) {
        n = entra_path_utf8(*pos, end, c, &character);
        if (n < 0) {
            return "has encoded bytes that are not UTF-8";
        }

        folded = entra_path_folded(character);

        if (folded == '/' || folded == '\\' || folded == '.') {
            return "has a character that some servers take for one of / \\ .";
        }

    } else {
        why = entra_path_check_escape(c);
        if (why) {
            return why;
        }
    }

    *pos += 3 + 3 * n;

    return NULL;
}


const char *
entra_path_check(entra_str_t path)
{
    const char  *p, *end, *start, *why;

    if (path.len == 0 || path.data[0] != '/') {
        return "does not begin with a slash";
    }

    p = start = path.data + 1;
    end = path.data + path.len;

    while (p < end) {

        if (entra_path_bytes[(unsigned char) *p]) {
            p++;
            continue;
        }

        if (*p == '/') {
            why = p == start ? "has an empty segment"
                             : entra_path_check_segment(start, p);
            start = ++p;

        } else if (*p == '%') {
            why = entra_path_check_encoded(&p, end);

        } else {
            why = entra_path_check_byte((unsigned char) *p);
        }

        if (why) {
            return why;
        }
    }

    return entra_path_check_segment(start, end);
}


size_t
entra_path_plain(entra_str_t target)
{
    const char  *p, *end;

    if (target.len == 0 || target.data[0] != '/') {
        return 0;
    }

    end = target.data + target.len;

    for (p = target.data + 1; p < end; p++) {
        if (!entra_path_bytes[(unsigned char) *p]
            && (*p != '/' || p[-1] == '/' || p[-1] == '.'))
        {
            break;
        }
    }

    if ((p < end && *p != '?') || p[-1] == '.') {
        return 0;
    }

    return (size_t) (p - target.data);
}


const char *
entra_path_check_target(entra_str_t target)
{
    const char  *query;

    query = target.len ? memchr(target.data, '?', target.len) : NULL;

    if (query) {
        target.len = (size_t) (query - target.data);
    }

    return entra_path_check(target);
}


size_t
entra_path_canonical(entra_str_t path, char *out)
{
    int          c;
    char        *o;
    const char  *p, *end;

    static const char  hex[] = "0123456789ABCDEF";

    o = out;
    end = path.data + path.len;

    for (p = path.data; p < end; p++) {

        c = *p == '%' ? entra_path_escape(p, end) : -1;

        if (c < 0) {
            *o++ = *p;
            continue;
        }

        if (entra_path_decoded(c)) {
            *o++ = (char) c;

        } else {
            *o++ = '%';
            *o++ = hex[c >> 4];
            *o++ = hex[c & 15];
        }

        p += 2;
    }

    return (size_t) (o - out);
}


size_t
entra_path_loose_plain(entra_str_t path, char *out)
{
    entra_str_lower(out, path);

    return path.len > 1 && out[path.len - 1] == '/' ? path.len - 1 : path.len;
}


size_t
entra_path_loose(entra_str_t path, char *out)
{
    int          c, n, character, folded;
    size_t       len;
    const char  *p, *end;

    p = path.len ? memchr(path.data, '%', path.len) : NULL;
    end = path.data + path.len;

    len = p ? (size_t) (p - path.data) : path.len;
    entra_str_lower(out, (entra_str_t) { len, path.data });

    for (p = path.data + len; p < end; p++) {

        c = *p == '%' ? entra_path_escape(p, end) : -1;

        if (c < 0) {
            c = (unsigned char) *p;

        } else {
            n = entra_path_utf8(p, end, c, &character);
            folded = n > 0 ? entra_path_folded(character) : 0;

            if (folded) {
                c = folded;
                p += 3 * n;
            }

            p += 2;
        }

        out[len++] = (char) entra_lower(c);
    }

    if (len > 1 && out[len - 1] == '/') {
        len--;
    }

    return len;
}


int
entra_path_match(entra_str_t pattern, entra_str_t path)
{
    const char  *p, *pend, *s, *send;

    p = pattern.data;
    pend = p + pattern.len;
    s = path.data;
    send = s + path.len;

    /* both at the slash that begins a segment */

    while (p < pend && s < send && *p == '/' && *s == '/') {
        p++;
        s++;

        if (p < pend && *p == '*' && (p + 1 == pend || p[1] == '/')) {

            if (++p == pend) {
                return s < send;
            }

            if (s == send || *s == '/') {
                return 0;
            }

            while (s < send && *s != '/') {
                s++;
            }

            continue;
        }

        while (p < pend && s < send && *p == *s && *p != '/') {
            p++;
            s++;
        }
    }

    return p == pend && s == send;
}
