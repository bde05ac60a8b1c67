
/*
 * Copyright (C) nginx-entra authors
 */

#include <string.h>

#include <openssl/evp.h>

#include "entra_ascii.h"
#include "entra_enc.h"


static const char  entra_base64_std[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char  entra_base64_url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char  entra_hex_lower[] = "0123456789abcdef";
static const char  entra_hex_upper[] = "0123456789ABCDEF";


static void
entra_base64_encode(entra_buf_t *out, const unsigned char *p, size_t len,
    const char *alphabet, int pad)
{
    char      quad[4];
    size_t    n;
    uint32_t  v;

    while (len) {
        n = len < 3 ? len : 3;

        v = (uint32_t) p[0] << 16;
        v |= n > 1 ? (uint32_t) p[1] << 8 : 0;
        v |= n > 2 ? (uint32_t) p[2] : 0;

        quad[0] = alphabet[v >> 18];
        quad[1] = alphabet[v >> 12 & 63];
        quad[2] = n > 1 ? alphabet[v >> 6 & 63] : '=';
        quad[3] = n > 2 ? alphabet[v & 63] : '=';

        entra_buf_add(out, quad, pad ? 4 : n + 1);

        p += n;
        len -= n;
    }
}


void
entra_enc_base64(entra_buf_t *out, const void *data, size_t len)
{
    entra_base64_encode(out, data, len, entra_base64_std, 1);
}


void
entra_enc_base64url(entra_buf_t *out, const void *data, size_t len)
{
    entra_base64_encode(out, data, len, entra_base64_url, 0);
}


/* 0 to 63, or -1; the standard alphabet only when lenient */

static int
entra_base64_digit(char c, int lenient)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }

    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }

    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }

    if (c == '-' || (lenient && c == '+')) {
        return 62;
    }

    if (c == '_' || (lenient && c == '/')) {
        return 63;
    }

    return -1;
}


static int
entra_base64_decode(entra_buf_t *out, entra_str_t text, int lenient)
{
    int            d;
    size_t         i;
    uint32_t       v = 0;
    unsigned       bits = 0;

    if (text.len % 4 == 1) {
        return -1;
    }

    for (i = 0; i < text.len; i++) {
        d = entra_base64_digit(text.data[i], lenient);
        if (d < 0) {
            return -1;
        }

        v = (v << 6 | (uint32_t) d) & 0xffff;
        bits += 6;

        if (bits >= 8) {
            bits -= 8;
            entra_buf_add_char(out, (char) (v >> bits & 0xff));
        }
    }

    /* two spellings of one value would defeat comparisons and caches */

    if (!lenient && (v & ((1u << bits) - 1))) {
        return -1;
    }

    return entra_buf_ok(out) ? 0 : -1;
}


int
entra_dec_base64url(entra_buf_t *out, entra_str_t text)
{
    return entra_base64_decode(out, text, 0);
}


int
entra_dec_base64_lenient(entra_buf_t *out, entra_str_t text)
{
    unsigned  pad;

    for (pad = 0; pad < 2; pad++) {
        if (text.len == 0 || text.data[text.len - 1] != '=') {
            break;
        }

        text.len--;
    }

    if (pad && (text.len + pad) % 4 != 0) {
        return -1;
    }

    return entra_base64_decode(out, text, 1);
}


static int
entra_is_unreserved(char c)
{
    return entra_is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}


void
entra_enc_form(entra_buf_t *out, entra_str_t text)
{
    char           hex[3];
    size_t         i;
    unsigned char  c;

    for (i = 0; i < text.len; i++) {

        if (entra_is_unreserved(text.data[i])) {
            entra_buf_add_char(out, text.data[i]);
            continue;
        }

        c = (unsigned char) text.data[i];
        hex[0] = '%';
        hex[1] = entra_hex_upper[c >> 4];
        hex[2] = entra_hex_upper[c & 15];
        entra_buf_add(out, hex, 3);
    }
}


void
entra_enc_form_pair(entra_buf_t *out, const char *name, entra_str_t value)
{
    if (out->len) {
        entra_buf_add_char(out, '&');
    }

    entra_buf_add_c(out, name);
    entra_buf_add_char(out, '=');
    entra_enc_form(out, value);
}


size_t
entra_utf8_len(const unsigned char *p, size_t len)
{
    size_t         i, n;
    unsigned char  low = 0x80, high = 0xbf;

    if (p[0] < 0x80) {
        return 1;
    }

    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        n = 2;

    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        n = 3;
        low = p[0] == 0xe0 ? 0xa0 : low;
        high = p[0] == 0xed ? 0x9f : high;

    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        n = 4;
        low = p[0] == 0xf0 ? 0x90 : low;
        high = p[0] == 0xf4 ? 0x8f : high;

    } else {
        return 0;
    }

    if (n > len || p[1] < low || p[1] > high) {
        return 0;
    }

    for (i = 2; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }

    return n;
}


static void
entra_json_escape(entra_buf_t *out, unsigned char c)
{
    switch (c) {

    case '"':
        entra_buf_add_c(out, "\\\"");
        return;

    case '\\':
        entra_buf_add_c(out, "\\\\");
        return;

    case '\n':
        entra_buf_add_c(out, "\\n");
        return;

    case '\r':
        entra_buf_add_c(out, "\\r");
        return;

    case '\t':
        entra_buf_add_c(out, "\\t");
        return;
    }

    entra_buf_add_c(out, "\\u00");
    entra_buf_add_char(out, entra_hex_lower[c >> 4]);
    entra_buf_add_char(out, entra_hex_lower[c & 15]);
}


void
entra_enc_json(entra_buf_t *out, entra_str_t text)
{
    size_t                i, n;
    const unsigned char  *p = (const unsigned char *) text.data;

    entra_buf_add_char(out, '"');

    for (i = 0; i < text.len; i += n) {
        n = entra_utf8_len(p + i, text.len - i);

        if (n > 1 || (n == 1 && p[i] >= ' ' && p[i] != 0x7f
                      && p[i] != '"' && p[i] != '\\'))
        {
            entra_buf_add(out, p + i, n);
            continue;
        }

        entra_json_escape(out, p[i]);
        n = 1;
    }

    entra_buf_add_char(out, '"');
}


static const char *
entra_html_entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    }

    return NULL;
}


void
entra_enc_html(entra_buf_t *out, entra_str_t text)
{
    size_t       i, n;
    const char  *entity;

    for (i = 0; i < text.len; i += n) {
        n = entra_utf8_len((const unsigned char *) text.data + i,
                           text.len - i);
        entity = entra_html_entity(text.data[i]);

        if (entity) {
            entra_buf_add_c(out, entity);

        } else if (n == 0 || entra_is_control(text.data[i])) {
            n = 1;
            entra_buf_add_char(out, ' ');

        } else {
            entra_buf_add(out, text.data + i, n);
        }
    }
}


void
entra_enc_hex(entra_buf_t *out, const void *data, size_t len)
{
    size_t                i;
    const unsigned char  *p = data;

    for (i = 0; i < len; i++) {
        entra_buf_add_char(out, entra_hex_lower[p[i] >> 4]);
        entra_buf_add_char(out, entra_hex_lower[p[i] & 15]);
    }
}


int
entra_sha256(entra_str_t text, unsigned char digest[ENTRA_SHA256_LEN])
{
    if (EVP_Digest(text.data, text.len, digest, NULL, EVP_sha256(), NULL)) {
        return 0;
    }

    memset(digest, 0, ENTRA_SHA256_LEN);

    return -1;
}
