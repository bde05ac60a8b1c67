
/*
 * Copyright (C) nginx-entra authors
 *
 * Authorization code with PKCE: the way to Entra, and the callback.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entra_enc.h"
#include "entra_form.h"
#include "entra_reply.h"
#include "entra_sign_in_call.h"
#include "entra_sign_in_page.h"
#include "entra_token_request.h"
#include "entra_url.h"


#define ENTRA_AUTHORIZE_MAX  8192           /* bytes of the URL */
#define ENTRA_CODE_MAX       8192


static void
entra_sign_in_no_room(entra_sign_in_call_t *call)
{
    entra_sign_in_say(call, 503, "Sign-in failed", "There is no room in the"
                      " shared zone, or no memory.", "write a larger"
                      " \"entra_shared_zone zone=NAME:SIZE;\"", -1);
}


static int
entra_authorize_url(const entra_credential_t *c, const entra_session_t *s,
    entra_buf_t *out)
{
    char                           challenge[ENTRA_SESSION_WORD];
    entra_buf_t                    query, scope;
    const entra_signed_in_conf_t  *conf = c->conf;

    entra_buf_init(&scope, 2048);
    entra_buf_addf(&scope, "%s%s" ENTRA_SIGNED_IN_SCOPES,
                   c->nscopes ? c->scopes[0] : "", c->nscopes ? " " : "");

    /* RFC 7636, section 4.2 */
    entra_session_digest(entra_str_c(s->verifier), challenge);

    entra_buf_init(&query, ENTRA_AUTHORIZE_MAX);
    entra_enc_form_pair(&query, "client_id", entra_str_c(c->client_id));
    entra_enc_form_pair(&query, "response_type", entra_str("code"));
    entra_enc_form_pair(&query, "response_mode", entra_str("query"));
    entra_enc_form_pair(&query, "redirect_uri",
                        entra_str_c(conf->redirect_uri));
    entra_enc_form_pair(&query, "scope", entra_buf_str(&scope));
    entra_enc_form_pair(&query, "state", entra_str_c(s->state));
    entra_enc_form_pair(&query, "nonce", entra_str_c(s->nonce));
    entra_enc_form_pair(&query, "code_challenge", entra_str_c(challenge));
    entra_enc_form_pair(&query, "code_challenge_method", entra_str("S256"));
    entra_enc_form_pair(&query, "prompt", entra_str("select_account"));
    entra_enc_form_pair(&query, "client_info", entra_str("1"));

    if (entra_token_request_url(c, "authorize", out) == 0
        && entra_buf_ok(&scope) && entra_buf_ok(&query))
    {
        entra_buf_add_char(out, '?');
        entra_buf_add_str(out, entra_buf_str(&query));

    } else {
        out->failed = 1;
    }

    entra_buf_free(&scope);
    entra_buf_free(&query);

    return entra_buf_ok(out) ? 0 : -1;
}


void
entra_sign_in_code_begin(entra_sign_in_call_t *call)
{
    int64_t                        now;
    unsigned                       slot;
    entra_buf_t                    url;
    entra_platform_t              *platform = call->site->platform;
    entra_session_t               *s = &call->session;
    const entra_credential_t      *c = call->credential;
    const entra_signed_in_conf_t  *conf = c->conf;

    now = platform->wall(platform->data);
    memset(s, 0, sizeof(entra_session_t));

    s->kind = ENTRA_SESSION_CODE;
    s->progress = ENTRA_SESSION_PENDING;
    s->created = now;
    s->expires = now + ENTRA_SESSION_LIFE;

    entra_buf_init(&url, ENTRA_AUTHORIZE_MAX);

    if (entra_session_random(s->state) != 0
        || entra_session_random(s->verifier) != 0
        || entra_session_random(s->nonce) != 0
        || entra_sign_in_bind(call, call->https
                                    || entra_str_starts(
                                           entra_str_c(conf->redirect_uri),
                                           "https://")) != 0
        || entra_authorize_url(c, s, &url) != 0)
    {
        entra_buf_free(&url);
        entra_sign_in_no_room(call);
        return;
    }

    slot = entra_session_slot(c, s->browser, now);

    if (entra_session_put(c, slot, now, s) != 0) {
        entra_buf_free(&url);
        entra_sign_in_no_room(call);
        return;
    }

    /*
     * Not a redirect: browsers apply form-action (CSP) to the redirects that
     * follow a form, and Entra may redirect to any host.
     */

    entra_sign_in_leave(&call->response.body, url.data,
                        entra_token_request_from(c));
    entra_sign_in_answer(call, 200);
    entra_buf_free(&url);
}


/* of all credentials, the sign-in with this state; its slot, or -1 */

static int
entra_sign_in_code_find(entra_sign_in_call_t *call, entra_str_t state)
{
    int64_t          now;
    unsigned         i, slot;
    entra_sign_in_t *site = call->site;
    entra_session_t *s = &call->session;

    now = site->platform->wall(site->platform->data);

    for (i = 0; i < site->n; i++) {
        for (slot = 0; slot < ENTRA_SESSION_SLOTS; slot++) {

            if (entra_session_get(site->credentials[i], slot, now, s)
                && s->kind == ENTRA_SESSION_CODE && s->expires > now
                && entra_session_equal(s->state, state))
            {
                call->credential = site->credentials[i];
                return (int) slot;
            }
        }
    }

    return -1;
}


/* RFC 9207: iss, where present, must be the server that was asked */

static int
entra_sign_in_issuer_ok(const entra_credential_t *c, entra_str_t query)
{
    int          rc;
    entra_buf_t  iss;
    entra_url_t  url;

    entra_buf_init(&iss, ENTRA_URL_MAX);
    rc = entra_form_field(query, "iss", &iss);

    if (rc == 1) {
        rc = entra_url_parse(entra_buf_str(&iss), &url) == 0
             && entra_str_case_eq_c(url.origin, c->authority_host) ? 0 : -1;
    }

    entra_buf_free(&iss);

    return rc == 0;
}


static void
entra_sign_in_declined(entra_sign_in_call_t *call, entra_str_t query)
{
    char         error[64], text[400], line[600];
    entra_buf_t  b;

    entra_buf_init(&b, ENTRA_FORM_MAX);
    (void) entra_form_field(query, "error", &b);
    entra_err_clean(error, sizeof(error), entra_buf_str(&b));
    entra_buf_reset(&b);

    text[0] = '\0';

    if (entra_form_field(query, "error_description", &b) == 1) {
        entra_err_clean(text, sizeof(text), entra_buf_str(&b));
    }

    entra_buf_free(&b);

    snprintf(line, sizeof(line), "%s did not sign you in: %s%s%s",
             entra_token_request_from(call->credential), error,
             text[0] ? ", " : "", text);

    entra_sign_in_log(call->site, call->credential, ENTRA_LOG_WARN, "%s",
                      line);
    entra_sign_in_say(call, 400, "Sign-in failed", line, NULL, -1);
}


static void
entra_sign_in_code_received(entra_sign_in_call_t *call)
{
    char         user[ENTRA_SIGNED_IN_USER], text[256];
    entra_err_t  err;

    entra_err_clear(&err);

    if (entra_sign_in_accept(call->site, &call->a, call->session.nonce, user,
                             &err) != 0)
    {
        entra_reply_redact(&err, call->session.verifier);
        entra_sign_in_log(call->site, call->credential, ENTRA_LOG_WARN,
                          "sign-in failed: %s", err.text);
        entra_sign_in_fail(call, &err);
        return;
    }

    snprintf(text, sizeof(text), "You are signed in as %s. The gateway now"
             " gets its tokens by itself.", user[0] ? user : "somebody");

    entra_sign_in_say(call, 200, "Signed in", text, NULL, 3);
}


static void
entra_sign_in_code_redeem(entra_sign_in_call_t *call, entra_str_t code)
{
    entra_acquire_t         *a = &call->a;
    entra_signed_in_conf_t  *conf = call->credential->conf;

    if (entra_sign_in_prepare(a, call->site->platform, call->credential) != 0
        || entra_signed_in_request(a, "authorization_code") != 0)
    {
        entra_sign_in_fail(call, &a->err);
        return;
    }

    entra_enc_form_pair(&a->request.body, "code", code);
    entra_enc_form_pair(&a->request.body, "redirect_uri",
                        entra_str_c(conf->redirect_uri));
    entra_enc_form_pair(&a->request.body, "code_verifier",
                        entra_str_c(call->session.verifier));

    if (entra_token_request_send(a) == ENTRA_NEXT_FAILED) {
        entra_sign_in_fail(call, &a->err);
        return;
    }

    entra_sign_in_ask(call, entra_sign_in_code_received);
}


/* 0: the sign-in is this browser's, and nobody else has come back with it */

static int
entra_sign_in_code_claim(entra_sign_in_call_t *call, entra_str_t query,
    entra_str_t state)
{
    int      slot;
    char     browser[ENTRA_SESSION_WORD];
    int64_t  now;

    now = call->site->platform->wall(call->site->platform->data);
    slot = entra_sign_in_code_find(call, state);

    if (slot < 0) {
        entra_sign_in_say(call, 400, "Sign-in failed", "This answer belongs"
                          " to no sign-in that is under way: it came too"
                          " late, or has been used.", "begin again on the"
                          " sign-in page", -1);
        return -1;
    }

    entra_session_digest(entra_str_c(call->browser), browser);

    if (call->browser[0] == '\0'
        || !entra_session_equal(call->session.browser, entra_str_c(browser)))
    {
        entra_sign_in_say(call, 403, "Sign-in failed", "This sign-in was"
                          " started in another browser, or this one keeps no"
                          " cookies.",
                          "start and finish it in the same browser, at the"
                          " address of redirect_uri", -1);
        return -1;
    }

    if (!entra_sign_in_issuer_ok(call->credential, query)) {
        entra_sign_in_say(call, 400, "Sign-in failed", "The answer is not"
                          " from the authority that was asked.", NULL, -1);
        return -1;
    }

    if (!entra_session_take(call->credential, (unsigned) slot, now,
                            &call->session)
        || !entra_session_equal(call->session.state, state))
    {
        entra_sign_in_say(call, 400, "Sign-in failed", "This answer has"
                          " already been used.", "begin again on the sign-in"
                          " page", -1);
        return -1;
    }

    return 0;
}


void
entra_sign_in_code_callback(entra_sign_in_call_t *call,
    const entra_sign_in_request_t *request)
{
    int          rc;
    entra_buf_t  code, state;

    entra_buf_init(&code, ENTRA_CODE_MAX);
    entra_buf_init(&state, ENTRA_SESSION_WORD);

    if (entra_form_field(request->query, "state", &state) != 1) {
        entra_sign_in_say(call, 400, "Sign-in failed", "This is not an answer"
                          " to a sign-in of this page.", NULL, -1);

    } else if (entra_sign_in_code_claim(call, request->query,
                                        entra_buf_str(&state)) == 0)
    {
        rc = entra_form_field(request->query, "code", &code);

        if (rc == 1 && code.len) {
            entra_sign_in_code_redeem(call, entra_buf_str(&code));

        } else if (rc == 0) {
            entra_sign_in_declined(call, request->query);

        } else {
            entra_sign_in_say(call, 400, "Sign-in failed", "The authorization"
                              " code in the answer is invalid.", NULL, -1);
        }
    }

    entra_buf_free(&code);
    entra_buf_free(&state);
}
