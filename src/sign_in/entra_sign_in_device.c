
/*
 * Copyright (C) nginx-entra authors
 *
 * Device code (RFC 8628): asking for one, and showing it.
 */

#include <stdlib.h>
#include <string.h>

#include "entra_enc.h"
#include "entra_json.h"
#include "entra_reply.h"
#include "entra_sign_in_call.h"
#include "entra_token_request.h"
#include "entra_url.h"


#define ENTRA_DEVICE_INTERVAL      5        /* seconds, section 3.2 */
#define ENTRA_DEVICE_INTERVAL_MAX  60
#define ENTRA_DEVICE_LIFE_MAX      3600


/* POST client_id and scope; the headers are those of a token request */

static int
entra_device_request(entra_acquire_t *a)
{
    entra_buf_t  url, body;

    entra_buf_init(&url, ENTRA_URL_MAX);
    entra_buf_init(&body, 8192);

    if (entra_signed_in_request(a, "") != 0
        || entra_token_request_url(a->credential, "devicecode", &url) != 0)
    {
        entra_buf_free(&url);
        return entra_err_set(&a->err, ENTRA_ERR_CONFIG,
                             "no request for a device code can be made");
    }

    entra_enc_form_pair(&body, "client_id",
                        entra_str_c(a->credential->client_id));
    entra_buf_addf(&body, "&scope=");
    entra_enc_form(&body, entra_str_c(a->scope));
    entra_buf_add_c(&body, a->scope[0] ? "%20" : "");
    entra_enc_form(&body, entra_str(ENTRA_SIGNED_IN_SCOPES));

    entra_free_secret(a->request.url);
    a->request.url = entra_buf_steal(&url);
    entra_buf_reset(&a->request.body);
    entra_buf_add_str(&a->request.body, entra_buf_str(&body));
    entra_buf_free(&body);

    return a->request.url && entra_buf_ok(&a->request.body)
           ? 0 : entra_err_no_memory(&a->err);
}


static int
entra_device_copy(const entra_json_t *root, const char *name, char *dst,
    size_t size)
{
    return entra_session_text(root, name, dst, size) == 0 && dst[0] ? 0 : -1;
}


/* what the operator is sent to is a link on our page: https only */

static int
entra_device_uri(const entra_json_t *root, entra_session_t *s)
{
    entra_url_t  url;

    if (entra_device_copy(root, "verification_uri", s->uri, sizeof(s->uri))
        != 0
        && entra_device_copy(root, "verification_url", s->uri, sizeof(s->uri))
           != 0)
    {
        return -1;
    }

    return entra_url_parse(entra_str_c(s->uri), &url) == 0 && url.https ? 0
                                                                        : -1;
}


static int
entra_device_session(const entra_http_reply_t *reply, int64_t now,
    entra_session_t *s)
{
    int            rc;
    int64_t        life;
    entra_json_t  *root;

    root = entra_json_parse(reply->body, ENTRA_HTTP_BODY_MAX,
                            ENTRA_JSON_OBJECT);

    if (entra_json_member_seconds(root, "interval", &s->interval) != 0
        || s->interval < 1)
    {
        s->interval = ENTRA_DEVICE_INTERVAL;
    }

    if (s->interval > ENTRA_DEVICE_INTERVAL_MAX) {
        s->interval = ENTRA_DEVICE_INTERVAL_MAX;
    }

    rc = entra_json_member_seconds(root, "expires_in", &life) == 0 && life > 0
         && entra_device_copy(root, "device_code", s->device_code,
                              sizeof(s->device_code)) == 0
         && entra_device_copy(root, "user_code", s->user_code,
                              sizeof(s->user_code)) == 0
         && entra_device_uri(root, s) == 0 ? 0 : -1;

    entra_json_free(root);

    if (rc == 0) {
        s->created = now;
        s->expires = now + (life < ENTRA_DEVICE_LIFE_MAX
                            ? life : ENTRA_DEVICE_LIFE_MAX);
    }

    return rc;
}


static void
entra_device_received(entra_sign_in_call_t *call)
{
    int64_t                    now;
    unsigned                   slot;
    entra_err_t                err;
    entra_session_t           *s = &call->session;
    entra_credential_t        *c = call->credential;
    const entra_http_reply_t  *reply = call->a.reply;

    entra_err_clear(&err);
    now = entra_acquire_now(&call->a);

    if (reply->status != 200 || reply->too_large) {
        (void) entra_reply_error(reply, entra_token_request_from(c), &err);

    } else if (entra_device_session(reply, now, s) != 0) {
        err.http_status = reply->status;
        (void) entra_err_set(&err, ENTRA_ERR_PROTOCOL,
                             "%s: the answer is not a device code",
                             entra_token_request_from(c));

    } else {
        slot = entra_session_slot(c, s->browser, now);

        if (entra_session_put(c, slot, now, s) == 0) {
            entra_sign_in_poll(call->site, c, slot);
            entra_sign_in_go_home(call);
            return;
        }

        err.advice = "write a larger \"entra_shared_zone zone=NAME:SIZE;\"";
        (void) entra_err_set(&err, ENTRA_ERR_CONFIG,
                             "there is no room in the shared zone");
    }

    entra_sign_in_log(call->site, c, ENTRA_LOG_WARN, "sign-in failed: %s",
                      err.text);
    entra_sign_in_fail(call, &err);
}


void
entra_sign_in_device_begin(entra_sign_in_call_t *call)
{
    entra_acquire_t  *a = &call->a;
    entra_session_t  *s = &call->session;

    memset(s, 0, sizeof(entra_session_t));
    s->kind = ENTRA_SESSION_DEVICE;
    s->progress = ENTRA_SESSION_PENDING;

    if (entra_sign_in_prepare(a, call->site->platform, call->credential) != 0
        || entra_sign_in_bind(call, call->https) != 0
        || entra_device_request(a) != 0)
    {
        if (a->err.class == ENTRA_ERR_NONE) {
            (void) entra_err_set(&a->err, ENTRA_ERR_TRANSIENT,
                                 "no memory or randomness for a sign-in");
        }

        entra_sign_in_fail(call, &a->err);
        return;
    }

    entra_sign_in_ask(call, entra_device_received);
}
