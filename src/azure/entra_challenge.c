
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_ascii.h"
#include "entra_challenge.h"
#include "entra_enc.h"
#include "entra_err.h"
#include "entra_json.h"


typedef struct {
    const char   *p;
    const char   *end;
    entra_str_t   scheme;               /* of the challenge p is in */
    entra_str_t   name;                 /* of the parameter, len 0: none */
    entra_buf_t   value;
    unsigned      bearer:1;             /* that scheme was seen */
} entra_auth_scan_t;


static int
entra_is_token(char c)
{
    return entra_is_alnum(c)
           || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}


static void
entra_auth_blanks(entra_auth_scan_t *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t')) {
        s->p++;
    }
}


static entra_str_t
entra_auth_token(entra_auth_scan_t *s)
{
    entra_str_t  token = { 0, s->p };

    while (s->p < s->end && entra_is_token(*s->p)) {
        s->p++;
    }

    token.len = (size_t) (s->p - token.data);

    return token;
}


static void
entra_auth_quoted(entra_auth_scan_t *s)
{
    for (s->p++; s->p < s->end && *s->p != '"'; s->p++) {

        if (*s->p == '\\' && s->p + 1 < s->end) {
            s->p++;
        }

        entra_buf_add_char(&s->value, *s->p);
    }

    if (s->p < s->end) {
        s->p++;
    }
}


/* base64 without quotes has characters that tokens do not */

static void
entra_auth_plain(entra_auth_scan_t *s)
{
    while (s->p < s->end && *s->p != ',' && *s->p != ' ' && *s->p != '\t') {
        entra_buf_add_char(&s->value, *s->p++);
    }
}


/*
 * A token here is a parameter's name if "=" and a value follow, and else a
 * new scheme.  1: s->name and s->value are a parameter; 0: not.
 */

static int
entra_auth_item(entra_auth_scan_t *s)
{
    const char   *after;
    entra_str_t   token;

    token = entra_auth_token(s);

    if (token.len == 0) {
        s->p++;
        return 0;
    }

    after = s->p;
    entra_auth_blanks(s);

    if (s->p == s->end || *s->p != '=') {
        s->p = after;
        s->scheme = token;
        s->bearer |= entra_str_case_eq_c(token, "Bearer");
        return 0;
    }

    s->p++;
    entra_auth_blanks(s);

    s->name = token;
    entra_buf_reset(&s->value);

    if (s->p < s->end && *s->p == '"') {
        entra_auth_quoted(s);

    } else {
        entra_auth_plain(s);
    }

    return 1;
}


/* 1: the next parameter of any challenge; 0: the end */

static int
entra_auth_next(entra_auth_scan_t *s)
{
    while (s->p < s->end) {

        if (*s->p == ',' || *s->p == ' ' || *s->p == '\t') {
            s->p++;
            continue;
        }

        if (entra_auth_item(s)) {
            return 1;
        }
    }

    return 0;
}


static void
entra_auth_init(entra_auth_scan_t *s, entra_str_t header)
{
    memset(s, 0, sizeof(entra_auth_scan_t));

    if (header.len > ENTRA_CHALLENGE_MAX) {
        header.len = ENTRA_CHALLENGE_MAX;
    }

    s->p = header.len ? header.data : "";
    s->end = s->p + header.len;

    entra_buf_init(&s->value, ENTRA_CHALLENGE_MAX);
}


/* JSON of the claims, or NULL */

static char *
entra_challenge_decode(entra_str_t value)
{
    entra_buf_t    b;
    entra_json_t  *root;

    entra_buf_init(&b, ENTRA_CLAIMS_MAX);

    if (entra_dec_base64_lenient(&b, entra_str_trim(value)) != 0) {
        entra_buf_free(&b);
        return NULL;
    }

    root = entra_json_parse(entra_buf_str(&b), ENTRA_CLAIMS_MAX,
                            ENTRA_JSON_OBJECT);
    if (root == NULL) {
        entra_buf_free(&b);
        return NULL;
    }

    entra_json_free(root);

    return entra_buf_steal(&b);
}


static void
entra_challenge_take(entra_challenge_t *ch, entra_auth_scan_t *s)
{
    if (entra_str_case_eq_c(s->name, "error")) {

        if (ch->error[0] == '\0') {
            entra_err_clean(ch->error, sizeof(ch->error),
                            entra_buf_str(&s->value));
        }

    } else if (entra_str_case_eq_c(s->name, "claims")
               && ch->claims == NULL && s->value.len)
    {
        ch->claims = entra_challenge_decode(entra_buf_str(&s->value));
    }
}


/* what is read of one challenge is kept if none before it was as good */

static void
entra_challenge_flush(entra_challenge_t *best, entra_challenge_t *one)
{
    if (!best->bearer || (one->claims && best->claims == NULL)) {
        entra_challenge_free(best);
        *best = *one;

    } else {
        free(one->claims);
    }

    memset(one, 0, sizeof(entra_challenge_t));
    one->bearer = 1;
}


void
entra_challenge_parse(entra_str_t header, entra_challenge_t *challenge)
{
    const char         *scheme = NULL;
    entra_auth_scan_t   s;
    entra_challenge_t   one;

    memset(challenge, 0, sizeof(entra_challenge_t));
    memset(&one, 0, sizeof(entra_challenge_t));

    entra_auth_init(&s, header);

    while (entra_auth_next(&s)) {

        if (!entra_str_case_eq_c(s.scheme, "Bearer")) {
            continue;
        }

        if (s.scheme.data != scheme) {
            scheme = s.scheme.data;
            entra_challenge_flush(challenge, &one);
        }

        entra_challenge_take(&one, &s);
    }

    entra_challenge_flush(challenge, &one);

    /* also one without any parameter */
    challenge->bearer = s.bearer;

    entra_buf_free(&s.value);
}


void
entra_challenge_free(entra_challenge_t *challenge)
{
    free(challenge->claims);
    memset(challenge, 0, sizeof(entra_challenge_t));
}


int
entra_challenge_claims(const char *claims, int capable, entra_buf_t *out)
{
    int            rc;
    entra_json_t  *root, *cp1;

    static const char  capability[] =
        "{\"access_token\":{\"xms_cc\":{\"values\":[\"cp1\"]}}}";

    if (claims == NULL && !capable) {
        return 0;
    }

    root = entra_json_parse(entra_str_c(claims ? claims : "{}"),
                            ENTRA_CLAIMS_MAX, ENTRA_JSON_OBJECT);
    if (root == NULL) {
        return -1;
    }

    rc = 0;

    if (capable) {
        cp1 = entra_json_parse(entra_str_c(capability), 0, 0);
        rc = cp1 ? entra_json_merge(root, cp1) : -1;
        entra_json_free(cp1);
    }

    if (rc == 0) {
        rc = entra_json_print(root, out);
    }

    entra_json_free(root);

    return rc;
}
