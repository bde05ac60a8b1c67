
/*
 * Copyright (C) nginx-entra authors
 *
 * The end of a sign-in: what the token endpoint gave for the code.
 */

#include <stdlib.h>
#include <string.h>

#include "entra_enc.h"
#include "entra_json.h"
#include "entra_reply.h"
#include "entra_sign_in_call.h"
#include "entra_token_request.h"


#define ENTRA_ID_TOKEN_MAX   (64 * 1024)
#define ENTRA_ID_TOKEN_SKEW  300            /* seconds */


/* the middle of three parts, decoded and parsed; or NULL */

static entra_json_t *
entra_id_token_claims(const char *token)
{
    const char    *first, *second;
    entra_str_t    part;
    entra_buf_t    text;
    entra_json_t  *claims = NULL;

    first = strchr(token, '.');
    second = first ? strchr(first + 1, '.') : NULL;

    if (second == NULL) {
        return NULL;
    }

    part.data = first + 1;
    part.len = (size_t) (second - part.data);

    entra_buf_init(&text, ENTRA_ID_TOKEN_MAX);

    if (entra_dec_base64url(&text, part) == 0) {
        claims = entra_json_parse(entra_buf_str(&text), ENTRA_ID_TOKEN_MAX,
                                  ENTRA_JSON_UNIQUE | ENTRA_JSON_OBJECT);
    }

    entra_buf_free(&text);

    return claims;
}


static int
entra_id_token_is_for(const entra_json_t *claims, const char *client_id)
{
    entra_str_t          text;
    const entra_json_t  *aud;

    aud = entra_json_member(claims, "aud");

    if (entra_json_type(aud) == ENTRA_JSON_IS_ARRAY
        && entra_json_count(aud) == 1)
    {
        aud = entra_json_first(aud);
    }

    return entra_json_string(aud, &text) == 0
           && entra_str_case_eq_c(text, client_id);
}


/*
 * OpenID Connect Core, section 3.1.3.7: it came from the token endpoint over
 * verified TLS, which stands for its signature.
 */

static const char *
entra_id_token_check(const entra_json_t *claims, const entra_acquire_t *a,
    const char *nonce)
{
    int64_t  exp;

    if (claims == NULL) {
        return "the ID token cannot be read";
    }

    if (!entra_id_token_is_for(claims, a->credential->client_id)) {
        return "the ID token is for another application";
    }

    if (entra_json_member_seconds(claims, "exp", &exp) != 0
        || exp + ENTRA_ID_TOKEN_SKEW < entra_acquire_now(a))
    {
        return "the ID token has expired: is the clock of this machine right?";
    }

    if (nonce
        && !entra_session_equal(nonce,
                                entra_json_member_string(claims, "nonce")))
    {
        return "the ID token is of another sign-in (its nonce differs)";
    }

    return NULL;
}


static void
entra_id_token_user(const entra_json_t *claims,
    char user[ENTRA_SIGNED_IN_USER])
{
    unsigned     i;
    entra_str_t  text;

    static const char  *const names[] = {
        "preferred_username", "upn", "email", "name", "sub"
    };

    user[0] = '\0';

    for (i = 0; i < sizeof(names) / sizeof(names[0]) && !user[0]; i++) {
        text = entra_str_trim(entra_json_member_string(claims, names[i]));
        entra_err_clean(user, ENTRA_SIGNED_IN_USER, text);
    }
}


static int
entra_sign_in_who(entra_acquire_t *a, const char *nonce,
    char user[ENTRA_SIGNED_IN_USER], entra_err_t *err)
{
    char          *token;
    const char    *wrong;
    entra_json_t  *claims;

    token = entra_reply_member(a->reply, "id_token");
    memset(user, 0, ENTRA_SIGNED_IN_USER);

    /* with a device code nothing but the name depends on it */

    if (token == NULL && nonce == NULL) {
        return 0;
    }

    claims = token ? entra_id_token_claims(token) : NULL;
    wrong = token ? entra_id_token_check(claims, a, nonce)
                  : "there is no ID token in the answer";

    if (wrong == NULL) {
        entra_id_token_user(claims, user);
    }

    entra_json_free(claims);
    entra_free_secret(token);

    return wrong ? entra_err_set(err, ENTRA_ERR_DENIED, "%s: %s",
                                 entra_token_request_from(a->credential),
                                 wrong)
                 : 0;
}


static int
entra_sign_in_keep(entra_sign_in_t *site, entra_acquire_t *a,
    const char user[ENTRA_SIGNED_IN_USER], entra_err_t *err)
{
    int                rc;
    entra_signed_in_t  record;

    memset(&record, 0, sizeof(record));

    record.refresh_token = entra_reply_member(a->reply, "refresh_token");

    if (record.refresh_token == NULL
        || !entra_signed_in_token_ok(record.refresh_token))
    {
        entra_signed_in_free(&record);
        err->advice = "allow the application the permission offline_access";
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "%s: signed in, but there is no refresh token in"
                             " the answer", entra_token_request_from(
                                                a->credential));
    }

    record.since = entra_acquire_now(a);
    memcpy(record.user, user, sizeof(record.user));

    if (entra_session_random(record.id) != 0) {
        entra_signed_in_free(&record);
        return entra_err_set(err, ENTRA_ERR_TRANSIENT, "no randomness");
    }

    rc = entra_signed_in_save(a->credential, &record, err);
    entra_signed_in_free(&record);

    if (rc > 0) {
        entra_sign_in_log(site, a->credential, ENTRA_LOG_ERR, "%s; the sign-in"
                          " will not survive a restart", err->text);
        entra_err_clear(err);
        rc = 0;
    }

    return rc;
}


int
entra_sign_in_accept(entra_sign_in_t *site, entra_acquire_t *a,
    const char *nonce, char user[ENTRA_SIGNED_IN_USER], entra_err_t *err)
{
    entra_credential_t  *c = a->credential;

    memset(user, 0, ENTRA_SIGNED_IN_USER);

    if (entra_token_request_receive(a) == ENTRA_NEXT_FAILED) {
        *err = a->err;
        return -1;
    }

    entra_token_free(&a->token);
    entra_err_clear(err);

    if (entra_sign_in_who(a, nonce, user, err) != 0
        || entra_sign_in_keep(site, a, user, err) != 0)
    {
        err->http_status = a->reply->status;
        return -1;
    }

    entra_sign_in_log(site, c, ENTRA_LOG_NOTICE, "%s has signed in",
                      user[0] ? user : "somebody");

    if (site->signed_in) {
        site->signed_in(site->data, c);
    }

    return 0;
}
