
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdio.h>
#include <string.h>

#include "entra_addr.h"
#include "entra_ascii.h"


static const unsigned char  entra_addr_mapped[12] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff
};


void
entra_addr_v4(entra_addr_t *addr, const unsigned char bytes[4])
{
    memset(addr, 0, sizeof(entra_addr_t));
    addr->family = ENTRA_ADDR_V4;
    memcpy(addr->bytes, bytes, 4);
}


void
entra_addr_v6(entra_addr_t *addr, const unsigned char bytes[16])
{
    if (memcmp(bytes, entra_addr_mapped, 12) == 0) {
        entra_addr_v4(addr, bytes + 12);
        return;
    }

    addr->family = ENTRA_ADDR_V6;
    memcpy(addr->bytes, bytes, 16);
}


void
entra_addr_unix(entra_addr_t *addr)
{
    memset(addr, 0, sizeof(entra_addr_t));
    addr->family = ENTRA_ADDR_UNIX;
}


int
entra_addr_eq(const entra_addr_t *a, const entra_addr_t *b)
{
    return a->family == b->family && a->family != ENTRA_ADDR_UNKNOWN
           && memcmp(a->bytes, b->bytes, 16) == 0;
}


static int
entra_addr_parse_v4(unsigned char bytes[4], const char *p, const char *end)
{
    unsigned     i, value;
    const char  *start;

    for (i = 0; i < 4; i++) {

        if (i > 0) {
            if (p == end || *p != '.') {
                return -1;
            }

            p++;
        }

        start = p;
        value = 0;

        while (p < end && entra_is_digit(*p) && p - start < 3) {
            value = value * 10 + (unsigned) (*p++ - '0');
        }

        if (p == start || value > 255 || (*start == '0' && p - start > 1)) {
            return -1;
        }

        bytes[i] = (unsigned char) value;
    }

    return p == end ? 0 : -1;
}


/*
 * A group of 1 to 4 digits at *pos, or an IPv4 address as the last two.
 * Bytes written: 2 or 4; 0: neither.
 */

static size_t
entra_addr_group(unsigned char *out, size_t room, const char **pos,
    const char *end)
{
    int          digit;
    unsigned     value;
    const char  *p, *start;

    start = p = *pos;
    value = 0;

    while (p < end && p - start < 4 && (digit = entra_hex_digit(*p)) >= 0) {
        value = value << 4 | (unsigned) digit;
        p++;
    }

    if (p < end && *p == '.' && room >= 4) {
        *pos = end;
        return entra_addr_parse_v4(out, start, end) == 0 ? 4 : 0;
    }

    if (p == start) {
        return 0;
    }

    out[0] = (unsigned char) (value >> 8);
    out[1] = (unsigned char) value;
    *pos = p;

    return 2;
}


static int
entra_addr_parse_v6(unsigned char bytes[16], const char *p, const char *end)
{
    size_t         n, len, gap;
    unsigned char  out[16] = { 0 };

    len = 0;
    gap = sizeof(out) + 1;                          /* no "::" seen */

    if (end - p >= 2 && p[0] == ':' && p[1] == ':') {
        gap = 0;
        p += 2;
    }

    while (p < end) {

        if (len == sizeof(out)) {
            return -1;
        }

        n = entra_addr_group(out + len, sizeof(out) - len, &p, end);
        if (n == 0) {
            return -1;
        }

        len += n;

        if (p == end) {
            break;
        }

        if (*p++ != ':' || p == end) {
            return -1;
        }

        if (*p == ':') {
            if (gap <= sizeof(out)) {
                return -1;
            }

            gap = len;
            p++;
        }
    }

    if (gap > sizeof(out)) {
        gap = len;

        if (len != sizeof(out)) {
            return -1;
        }

    } else if (len == sizeof(out)) {

        /* "::" has to stand for something */

        return -1;
    }

    memset(bytes, 0, 16);
    memcpy(bytes, out, gap);
    memcpy(bytes + 16 - (len - gap), out + gap, len - gap);

    return 0;
}


int
entra_addr_parse(entra_addr_t *addr, entra_str_t text)
{
    const char     *end;
    unsigned char   bytes[16];

    memset(addr, 0, sizeof(entra_addr_t));

    if (text.len == 0 || text.len >= ENTRA_ADDR_TEXT_MAX) {
        return -1;
    }

    end = text.data + text.len;

    if (memchr(text.data, ':', text.len)) {
        if (entra_addr_parse_v6(bytes, text.data, end) != 0) {
            return -1;
        }

        entra_addr_v6(addr, bytes);
        return 0;
    }

    if (entra_addr_parse_v4(bytes, text.data, end) != 0) {
        return -1;
    }

    entra_addr_v4(addr, bytes);

    return 0;
}


/* the longest run of two or more zero groups: RFC 5952, section 4.2 */

static void
entra_addr_zeros(const unsigned char *b, unsigned *start, unsigned *run)
{
    unsigned  i, n;

    *start = 8;
    *run = 1;
    n = 0;

    for (i = 0; i < 8; i++) {
        n = b[2 * i] == 0 && b[2 * i + 1] == 0 ? n + 1 : 0;

        if (n > *run) {
            *run = n;
            *start = i + 1 - n;
        }
    }
}


static void
entra_addr_text_v6(const unsigned char *b, char text[ENTRA_ADDR_TEXT_MAX])
{
    size_t    len;
    unsigned  i, start, run;

    entra_addr_zeros(b, &start, &run);
    len = 0;

    for (i = 0; i < 8; i++) {

        if (i == start) {
            text[len++] = ':';
            text[len++] = ':';
            i += run - 1;
            continue;
        }

        if (i > 0 && i != start + run) {
            text[len++] = ':';
        }

        len += (size_t) snprintf(text + len, ENTRA_ADDR_TEXT_MAX - len, "%x",
                                 b[2 * i] << 8 | b[2 * i + 1]);
    }

    text[len] = '\0';
}


const char *
entra_addr_text(const entra_addr_t *addr, char text[ENTRA_ADDR_TEXT_MAX])
{
    const unsigned char  *b = addr->bytes;

    switch (addr->family) {

    case ENTRA_ADDR_V4:
        (void) snprintf(text, ENTRA_ADDR_TEXT_MAX, "%u.%u.%u.%u",
                        b[0], b[1], b[2], b[3]);
        break;

    case ENTRA_ADDR_V6:
        entra_addr_text_v6(b, text);
        break;

    case ENTRA_ADDR_UNIX:
        memcpy(text, "unix:", sizeof("unix:"));
        break;

    default:
        memcpy(text, "unknown", sizeof("unknown"));
    }

    return text;
}
