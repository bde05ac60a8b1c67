
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entra_html.h"
#include "entra_sign_in_call.h"
#include "entra_sign_in_page.h"


#define ENTRA_SIGN_IN_TICK         10000    /* ms */
#define ENTRA_SIGN_IN_COOKIE_LIFE  86400    /* seconds */


static void entra_sign_in_arm(entra_sign_in_t *site);


static void
entra_sign_in_tick(void *ctx)
{
    entra_sign_in_t  *site = ctx;

    site->tick = NULL;

    entra_sign_in_poll_orphans(site);
    entra_sign_in_arm(site);
}


static void
entra_sign_in_arm(entra_sign_in_t *site)
{
    entra_platform_t  *platform = site->platform;

    site->tick = platform->timer(platform->data, ENTRA_SIGN_IN_TICK,
                                 entra_sign_in_tick, site);
}


entra_sign_in_t *
entra_sign_in_create(entra_platform_t *platform,
    entra_sign_in_signed_pt signed_in, void *data)
{
    entra_sign_in_t  *site;

    site = calloc(1, sizeof(entra_sign_in_t));
    if (site == NULL) {
        return NULL;
    }

    site->platform = platform;
    site->signed_in = signed_in;
    site->data = data;

    return site;
}


int
entra_sign_in_add(entra_sign_in_t *site, entra_credential_t *c)
{
    entra_credential_t  **all;

    if (!c->type->interactive) {
        return 0;
    }

    all = realloc(site->credentials,
                  (site->n + 1) * sizeof(entra_credential_t *));
    if (all == NULL) {
        return -1;
    }

    site->credentials = all;
    site->credentials[site->n++] = c;

    if (site->tick == NULL) {
        entra_sign_in_arm(site);
    }

    return 0;
}


void
entra_sign_in_free(entra_sign_in_t *site)
{
    if (site == NULL) {
        return;
    }

    if (site->tick) {
        site->platform->timer_cancel(site->platform->data, site->tick);
    }

    entra_sign_in_poll_free(site);
    free(site->credentials);
    free(site);
}


void
entra_sign_in_log(entra_sign_in_t *site, const entra_credential_t *c,
    entra_log_level_e level, const char *fmt, ...)
{
    char     text[1024], line[1200];
    va_list  args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    snprintf(line, sizeof(line), "credential \"%.64s\": %s", c->name, text);
    site->platform->log(site->platform->data, level, line);
}


/* calls */

void
entra_sign_in_call_free(entra_sign_in_call_t *call)
{
    unsigned  i;

    for (i = 0; i < call->response.nheaders; i++) {
        free(call->response.headers[i].name);
        entra_free_secret(call->response.headers[i].value);
    }

    entra_buf_free(&call->response.body);
    entra_http_request_free(&call->a.request);
    entra_token_free(&call->a.token);
    free(call->a.scope);
    free(call->home);
    free(call->prefix);
    entra_wipe(call, sizeof(entra_sign_in_call_t));
    free(call);
}


void
entra_sign_in_cancel(entra_sign_in_call_t *call)
{
    entra_platform_t  *platform = call->site->platform;

    if (call->timer) {
        platform->timer_cancel(platform->data, call->timer);
    }

    if (call->http) {
        platform->http_cancel(platform->data, call->http);
    }

    entra_sign_in_call_free(call);
}


static void
entra_sign_in_deliver(void *ctx)
{
    entra_sign_in_call_t  *call = ctx;

    call->timer = NULL;
    call->done(call->data, &call->response);

    entra_sign_in_call_free(call);
}


void
entra_sign_in_header(entra_sign_in_call_t *call, const char *name,
    entra_str_t value)
{
    entra_http_header_t       *header;
    entra_sign_in_response_t  *response = &call->response;

    if (response->nheaders == ENTRA_SIGN_IN_HEADERS_MAX) {
        return;
    }

    header = &response->headers[response->nheaders];
    header->name = entra_str_dup(entra_str_c(name));
    header->value = entra_str_dup(value);

    if (header->name == NULL || header->value == NULL) {
        free(header->name);
        free(header->value);
        return;
    }

    response->nheaders++;
}


void
entra_sign_in_cookie(entra_sign_in_call_t *call, int secure,
    const char *name, const char *value, const char *same_site)
{
    entra_buf_t  b;

    entra_buf_init(&b, 512);
    entra_buf_addf(&b, "%s%s=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=%s%s",
                   secure ? ENTRA_SIGN_IN_HOST : "", name, value,
                   ENTRA_SIGN_IN_COOKIE_LIFE, same_site,
                   secure ? "; Secure" : "");
    entra_sign_in_header(call, "Set-Cookie", entra_buf_str(&b));
    entra_buf_free(&b);
}


void
entra_sign_in_answer(entra_sign_in_call_t *call, int status)
{
    entra_buf_t        csp;
    entra_platform_t  *platform = call->site->platform;

    entra_buf_init(&csp, 512);
    entra_html_csp(&csp);

    entra_sign_in_header(call, "Content-Security-Policy",
                         entra_buf_str(&csp));
    entra_sign_in_header(call, "X-Frame-Options", entra_str("DENY"));
    entra_sign_in_header(call, "X-Content-Type-Options",
                         entra_str("nosniff"));
    entra_sign_in_header(call, "Referrer-Policy", entra_str("same-origin"));
    entra_sign_in_header(call, "Cross-Origin-Opener-Policy",
                         entra_str("same-origin"));
    entra_sign_in_header(call, "Cache-Control", entra_str("no-store"));
    entra_buf_free(&csp);

    call->response.status = status;
    call->response.content_type = "text/html; charset=utf-8";

    if (!entra_buf_ok(&call->response.body)) {
        entra_buf_reset(&call->response.body);
        call->response.body.failed = 0;
        call->response.status = 500;
    }

    call->timer = platform->timer(platform->data, 0, entra_sign_in_deliver,
                                  call);
}


void
entra_sign_in_say(entra_sign_in_call_t *call, int status, const char *title,
    const char *text, const char *advice, int refresh)
{
    entra_sign_in_message(&call->response.body, title, text, advice,
                          entra_str_c(call->home), refresh);
    entra_sign_in_answer(call, status);
}


void
entra_sign_in_fail(entra_sign_in_call_t *call, const entra_err_t *err)
{
    entra_buf_t  line;

    entra_buf_init(&line, 4096);
    entra_buf_add_c(&line, err->text);

    if (err->aadsts) {
        entra_buf_addf(&line, ", AADSTS%u", (unsigned) err->aadsts);
    }

    if (err->correlation_id[0]) {
        entra_buf_addf(&line, ", correlation id %s", err->correlation_id);
    }

    entra_sign_in_say(call, err->http_status ? 502 : 503, "Sign-in failed",
                      entra_buf_str(&line).data, err->advice, -1);
    entra_buf_free(&line);
}


void
entra_sign_in_go_home(entra_sign_in_call_t *call)
{
    entra_sign_in_header(call, "Location", entra_str_c(call->home));
    entra_sign_in_say(call, 303, "Sign in", "Please go on.", NULL, -1);
}


int
entra_sign_in_bind(entra_sign_in_call_t *call, int secure)
{
    if (call->browser[0] == '\0'
        && entra_session_random(call->browser) != 0)
    {
        return -1;
    }

    /* Lax: Entra sends the browser back here, from another site */

    entra_sign_in_cookie(call, secure, ENTRA_SIGN_IN_COOKIE, call->browser,
                         "Lax");
    entra_session_digest(entra_str_c(call->browser), call->session.browser);

    return call->session.browser[0] ? 0 : -1;
}


/* a request to Entra outside of an acquisition */

int
entra_sign_in_prepare(entra_acquire_t *a, entra_platform_t *platform,
    entra_credential_t *c)
{
    a->platform = platform;
    a->credential = c;
    entra_err_clear(&a->err);
    entra_token_init(&a->token);
    entra_http_request_init(&a->request);

    free(a->scope);
    a->scope = entra_str_dup(entra_str_c(c->nscopes ? c->scopes[0] : ""));

    return a->scope ? 0 : entra_err_no_memory(&a->err);
}


static void
entra_sign_in_replied(void *ctx, const entra_http_reply_t *reply)
{
    entra_sign_in_call_t  *call = ctx;

    call->http = NULL;
    call->a.reply = reply;

    call->received(call);

    call->a.reply = NULL;

    /* no memory to be called later */

    if (call->timer == NULL && call->http == NULL) {
        entra_sign_in_deliver(call);
    }
}


void
entra_sign_in_ask(entra_sign_in_call_t *call,
    void (*received)(entra_sign_in_call_t *call))
{
    entra_err_t        err;
    entra_platform_t  *platform = call->site->platform;

    call->received = received;
    call->http = platform->http(platform->data, &call->a.request,
                                entra_sign_in_replied, call);

    if (call->http == NULL) {
        entra_err_clear(&err);
        (void) entra_err_set(&err, ENTRA_ERR_TRANSIENT,
                             "the request to Microsoft Entra could not be"
                             " started");
        entra_sign_in_fail(call, &err);
    }
}
