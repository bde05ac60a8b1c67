
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>

#include "entra_assertion.h"
#include "entra_enc.h"
#include "entra_json_write.h"
#include "entra_token_request.h"


static void
entra_assertion_header(const entra_certificate_t *cert, unsigned flags,
    entra_buf_t *out)
{
    if (flags & ENTRA_ASSERTION_RS256) {
        entra_buf_add_c(out, "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"x5t\":\"");
        entra_certificate_x5t(cert, out);

    } else {
        entra_buf_add_c(out, "{\"alg\":\"PS256\",\"typ\":\"JWT\","
                             "\"x5t#S256\":\"");
        entra_certificate_x5t_s256(cert, out);
    }

    entra_buf_add_char(out, '"');

    if (flags & ENTRA_ASSERTION_CHAIN) {
        entra_buf_add_c(out, ",\"x5c\":");
        entra_certificate_x5c(cert, out);
    }

    entra_buf_add_char(out, '}');
}


static int
entra_assertion_claims(const char *client_id, const char *audience,
    int64_t now, entra_buf_t *out)
{
    char  jti[ENTRA_UUID_LEN];

    if (entra_token_request_uuid(jti) != 0) {
        return -1;
    }

    entra_buf_add_char(out, '{');
    entra_json_add_c(out, "aud", audience);
    entra_json_add_c(out, "iss", client_id);
    entra_json_add_c(out, "sub", client_id);
    entra_json_add_c(out, "jti", jti);
    entra_json_add_int(out, "nbf", now);
    entra_json_add_int(out, "iat", now);
    entra_json_add_int(out, "exp", now + ENTRA_ASSERTION_LIFETIME);
    entra_buf_add_char(out, '}');

    return 0;
}


static void
entra_assertion_part(entra_buf_t *jwt, entra_buf_t *part)
{
    entra_enc_base64url(jwt, entra_buf_str(part).data, part->len);

    if (!entra_buf_ok(part)) {
        jwt->failed = 1;
    }

    entra_buf_reset(part);
}


char *
entra_assertion_create(const entra_certificate_t *cert, const char *client_id,
    const char *audience, int64_t now, unsigned flags, entra_err_t *err)
{
    int           rc;
    char         *text = NULL;
    entra_buf_t   jwt, part;

    entra_buf_init(&jwt, ENTRA_ASSERTION_MAX);
    entra_buf_init(&part, ENTRA_ASSERTION_MAX);

    entra_assertion_header(cert, flags, &part);
    entra_assertion_part(&jwt, &part);
    entra_buf_add_char(&jwt, '.');

    rc = entra_assertion_claims(client_id, audience, now, &part);
    entra_assertion_part(&jwt, &part);

    if (rc == 0) {
        rc = entra_certificate_sign(cert, flags & ENTRA_ASSERTION_RS256,
                                    entra_buf_str(&jwt), &part);
    }

    entra_buf_add_char(&jwt, '.');
    entra_assertion_part(&jwt, &part);

    if (rc == 0) {
        text = entra_buf_steal(&jwt);
    }

    if (text == NULL) {
        (void) entra_err_set(err, ENTRA_ERR_CONFIG,
                             "the client assertion could not be made with"
                             " this certificate");
    }

    entra_buf_free(&jwt);
    entra_buf_free(&part);

    return text;
}
