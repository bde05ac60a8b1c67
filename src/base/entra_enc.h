
/*
 * Copyright (C) nginx-entra authors
 *
 * Encodings: base64, base64url, form and JSON strings, HTML, hex; and SHA-256.
 */

#ifndef ENTRA_ENC_H
#define ENTRA_ENC_H


#include "entra_str.h"


/* RFC 4648 section 4, with padding; section 5, without */
void entra_enc_base64(entra_buf_t *out, const void *data, size_t len);
void entra_enc_base64url(entra_buf_t *out, const void *data, size_t len);

/*
 * Canonical base64url without padding, as RFC 7515 wants it: any other
 * character, a dangling character or non-zero trailing bits are an error.
 * Returns 0, or -1 (out is then unspecified).
 */
int entra_dec_base64url(entra_buf_t *out, entra_str_t text);

/* either alphabet, padding optional: what claims challenges are seen to use */
int entra_dec_base64_lenient(entra_buf_t *out, entra_str_t text);

/* application/x-www-form-urlencoded value: unreserved stay, the rest is %XX */
void entra_enc_form(entra_buf_t *out, entra_str_t text);

/* "&name=value" (without "&" in an empty buffer), value encoded */
void entra_enc_form_pair(entra_buf_t *out, const char *name,
    entra_str_t value);

/*
 * A JSON string with its quotes.  Control characters, quotes, backslashes
 * and bytes that are not valid UTF-8 are escaped (the latter as \u00XX).
 */
void entra_enc_json(entra_buf_t *out, entra_str_t text);

/*
 * Text of HTML, also in quoted attributes.  Control characters, line ends
 * too, and bytes that are not valid UTF-8 become spaces.
 */
void entra_enc_html(entra_buf_t *out, entra_str_t text);

void entra_enc_hex(entra_buf_t *out, const void *data, size_t len);

#define ENTRA_SHA256_LEN  32

/* 0; or -1 and all zero, when the library refuses */
int entra_sha256(entra_str_t text, unsigned char digest[ENTRA_SHA256_LEN]);

/*
 * Bytes of the UTF-8 character at p (RFC 3629: no surrogates, nothing over
 * U+10FFFF, shortest form), or 0; len > 0.
 */
size_t entra_utf8_len(const unsigned char *p, size_t len);


#endif /* ENTRA_ENC_H */
