
/*
 * Copyright (C) nginx-entra authors
 *
 * What a browser asks the sign-in page for.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entra_form.h"
#include "entra_html.h"
#include "entra_sign_in_call.h"
#include "entra_sign_in_page.h"
#include "entra_url.h"


#define ENTRA_SIGN_IN_LOOK  5   /* seconds, while a code is waited for */


static void
entra_sign_in_section(entra_sign_in_call_t *call, entra_credential_t *c,
    const char *browser, const char *token)
{
    int                   slot;
    int64_t               now;
    entra_err_t           err;
    entra_signed_in_t     record;
    entra_sign_in_view_t  view;

    memset(&view, 0, sizeof(view));
    entra_err_clear(&err);
    now = call->site->platform->wall(call->site->platform->data);

    view.name = c->name;
    view.type = c->type->name;
    view.client_id = c->client_id;
    view.tenant = c->tenant_id;
    view.scopes = c->scopes;
    view.nscopes = c->nscopes;

    if (entra_signed_in_load(c, &record, &err) != 0) {
        view.wrong = err.text;
    }

    view.signed_in = record.refresh_token != NULL;
    view.user = record.user;
    view.since = record.since;
    view.why = record.why;

    slot = entra_session_find(c, browser, now, &call->session);

    if (slot >= 0 && call->session.kind == ENTRA_SESSION_DEVICE) {
        view.session = &call->session;
        view.left = call->session.expires > now ? call->session.expires - now
                                                : 0;
    }

    entra_sign_in_view(&call->response.body, &view,
                       entra_str_c(call->prefix), token);
    entra_signed_in_free(&record);
}


/* is a device code of this browser waited for? */

static int
entra_sign_in_waits(entra_sign_in_call_t *call, const char *browser)
{
    int64_t    now;
    unsigned   i;

    now = call->site->platform->wall(call->site->platform->data);

    for (i = 0; i < call->site->n; i++) {
        if (entra_session_find(call->site->credentials[i], browser, now,
                               &call->session) >= 0
            && call->session.kind == ENTRA_SESSION_DEVICE
            && call->session.progress == ENTRA_SESSION_PENDING)
        {
            return 1;
        }
    }

    return 0;
}


static void
entra_sign_in_list(entra_sign_in_call_t *call)
{
    char          browser[ENTRA_SESSION_WORD], token[ENTRA_SESSION_WORD];
    unsigned      i;
    entra_buf_t  *body = &call->response.body;

    if (call->csrf_new) {
        entra_sign_in_cookie(call, call->https, ENTRA_SIGN_IN_CSRF,
                             call->csrf, "Strict");
    }

    entra_session_digest(entra_str_c(call->csrf), token);
    browser[0] = '\0';

    if (call->browser[0]) {
        entra_session_digest(entra_str_c(call->browser), browser);
    }

    entra_html_head(body, "Sign in to the gateway",
                       entra_sign_in_waits(call, browser)
                       ? ENTRA_SIGN_IN_LOOK : -1, NULL);

    if (call->site->n == 0) {
        entra_buf_add_c(body, "<p>There is no credential here that a person "
                        "signs in.</p>\n");
    }

    for (i = 0; i < call->site->n; i++) {
        entra_sign_in_section(call, call->site->credentials[i], browser,
                              token);
    }

    entra_html_tail(body);
    entra_sign_in_answer(call, 200);
}


/*
 * Current browsers say themselves whether a form is of the same origin
 * (Sec-Fetch-Site); that counts first, because a proxy in front may have
 * changed Host.
 */

static int
entra_sign_in_foreign(const entra_sign_in_request_t *request)
{
    entra_str_t  authority;
    entra_url_t  url;

    if (request->fetch_site.len) {
        return !entra_str_eq_c(request->fetch_site, "same-origin");
    }

    if (request->origin.len == 0) {
        return 0;
    }

    if (entra_url_parse(request->origin, &url) != 0 || url.target.len
        || (request->https && !url.https))
    {
        return 1;
    }

    authority.data = url.host.data;
    authority.len = url.origin.len
                    - (size_t) (url.host.data - url.origin.data);

    return !entra_str_case_eq(authority, request->host);
}


static int
entra_sign_in_csrf_ok(const entra_sign_in_call_t *call,
    const entra_sign_in_request_t *request)
{
    int          ok;
    char         token[ENTRA_SESSION_WORD];
    entra_buf_t  sent;

    if (call->csrf_new || entra_sign_in_foreign(request)) {
        return 0;
    }

    entra_session_digest(entra_str_c(call->csrf), token);
    entra_buf_init(&sent, ENTRA_SESSION_WORD);

    ok = entra_form_field(request->body, "csrf", &sent) == 1
         && entra_session_equal(token, entra_buf_str(&sent));

    entra_buf_free(&sent);

    return ok;
}


static entra_credential_t *
entra_sign_in_named(entra_sign_in_t *site, entra_str_t body)
{
    unsigned             i;
    entra_buf_t          name;
    entra_credential_t  *found = NULL;

    entra_buf_init(&name, 512);

    if (entra_form_field(body, "credential", &name) == 1) {
        for (i = 0; i < site->n; i++) {
            if (entra_str_eq_c(entra_buf_str(&name),
                               site->credentials[i]->name))
            {
                found = site->credentials[i];
            }
        }
    }

    entra_buf_free(&name);

    return found;
}


/*
 * Entra sends the browser to redirect_uri, and the cookie is sent only there:
 * a sign-in that begins at another address of this gateway would fail.
 */

static int
entra_sign_in_elsewhere(const entra_signed_in_conf_t *conf, entra_str_t origin)
{
    entra_url_t  here, there;

    if (entra_url_parse(origin, &here) != 0
        || entra_url_parse(entra_str_c(conf->redirect_uri), &there) != 0)
    {
        return 0;
    }

    if (here.port.len == 0) {
        here.port = here.https ? entra_str("443") : entra_str("80");
    }

    if (there.port.len == 0) {
        there.port = there.https ? entra_str("443") : entra_str("80");
    }

    return here.https != there.https
           || !entra_str_case_eq(here.host, there.host)
           || !entra_str_eq(here.port, there.port);
}


static void
entra_sign_in_begin(entra_sign_in_call_t *call,
    const entra_sign_in_request_t *request)
{
    entra_str_t              type = request->content_type;
    entra_signed_in_conf_t  *conf;

    static const char  form[] = "application/x-www-form-urlencoded";

    if (type.len > sizeof(form) - 1) {
        type.len = sizeof(form) - 1;
    }

    if (!entra_str_case_eq_c(type, form)
        || request->body.len > ENTRA_SIGN_IN_BODY_MAX)
    {
        entra_sign_in_say(call, 400, "Not understood", "This is not a form of"
                          " the sign-in page.", NULL, -1);
        return;
    }

    if (!entra_sign_in_csrf_ok(call, request)) {
        entra_sign_in_say(call, 403, "Not accepted", "This form is not from"
                          " the sign-in page of this browser, or the page is"
                          " old.", "open the page again, with cookies"
                          " allowed", -1);
        return;
    }

    call->credential = entra_sign_in_named(call->site, request->body);

    if (call->credential == NULL) {
        entra_sign_in_say(call, 404, "Not found", "This credential no longer"
                          " exists.", NULL, -1);
        return;
    }

    conf = call->credential->conf;

    if (strcmp(call->credential->type->name, "interactive_browser") == 0
        && conf->redirect_uri)
    {
        if (entra_sign_in_elsewhere(conf, request->origin)) {
            entra_sign_in_leave(&call->response.body, conf->page, conf->page);
            entra_sign_in_answer(call, 200);
            return;
        }

        entra_sign_in_code_begin(call);

    } else {
        entra_sign_in_device_begin(call);
    }
}


/* a word that was set as a cookie, or nothing */

static void
entra_sign_in_read_cookie(const entra_sign_in_request_t *request,
    const char *name, char word[ENTRA_SESSION_WORD])
{
    char         prefixed[64];
    size_t       i;
    entra_str_t  value;

    word[0] = '\0';

    snprintf(prefixed, sizeof(prefixed), ENTRA_SIGN_IN_HOST "%s", name);
    value = entra_form_cookie(request->cookie, prefixed);

    if (value.len == 0 && !request->https) {
        value = entra_form_cookie(request->cookie, name);
    }

    if (value.len != ENTRA_SESSION_WORD - 1) {
        return;
    }

    for (i = 0; i < value.len; i++) {
        if (value.data[i] <= ' ' || value.data[i] >= 0x7f
            || strchr("\"\\,;=<>&%", value.data[i]))
        {
            return;
        }
    }

    memcpy(word, value.data, value.len);
    word[value.len] = '\0';
}


static void
entra_sign_in_route(entra_sign_in_call_t *call,
    const entra_sign_in_request_t *request)
{
    int          reads, begins;
    entra_str_t  path = request->path;

    /* "/in" is not the beginning of "/inbegin" */

    if (path.len && path.data[0] == '/') {
        path.data++;
        path.len--;

    } else if (path.len && strcmp(call->home, call->prefix) == 0) {
        entra_sign_in_say(call, 404, "Not found", "There is no such page.",
                          NULL, -1);
        return;
    }

    reads = entra_str_eq_c(request->method, "GET")
            || entra_str_eq_c(request->method, "HEAD");
    begins = entra_str_eq_c(path, "begin");

    if (!begins && path.len && !entra_str_eq_c(path, "callback")) {
        entra_sign_in_say(call, 404, "Not found", "There is no such page.",
                          NULL, -1);
        return;
    }

    if (begins ? !entra_str_eq_c(request->method, "POST") : !reads) {
        entra_sign_in_header(call, "Allow", begins ? entra_str("POST")
                                                   : entra_str("GET, HEAD"));
        entra_sign_in_say(call, 405, "Not allowed", "The sign-in page does"
                          " not accept this request.", NULL, -1);
        return;
    }

    if (begins) {
        entra_sign_in_begin(call, request);

    } else if (path.len == 0) {
        entra_sign_in_list(call);

    } else if (entra_str_eq_c(request->method, "HEAD")) {
        entra_sign_in_say(call, 200, "Sign in", "Please go on.", NULL, -1);

    } else {
        entra_sign_in_code_callback(call, request);
    }
}


entra_sign_in_call_t *
entra_sign_in_handle(entra_sign_in_t *site,
    const entra_sign_in_request_t *request, entra_sign_in_done_pt done,
    void *data)
{
    entra_str_t            base = request->base;
    entra_sign_in_call_t  *call;

    call = calloc(1, sizeof(entra_sign_in_call_t));
    if (call == NULL) {
        return NULL;
    }

    call->site = site;
    call->done = done;
    call->data = data;
    call->https = request->https;
    entra_buf_init(&call->response.body, ENTRA_SIGN_IN_PAGE_MAX);
    entra_http_request_init(&call->a.request);
    entra_token_init(&call->a.token);

    call->home = entra_str_dup(base.len ? base : entra_str("/"));

    if (base.len && base.data[base.len - 1] == '/') {
        base.len--;
    }

    call->prefix = entra_str_dup(base);

    entra_sign_in_read_cookie(request, ENTRA_SIGN_IN_COOKIE, call->browser);
    entra_sign_in_read_cookie(request, ENTRA_SIGN_IN_CSRF, call->csrf);
    call->csrf_new = call->csrf[0] == '\0';

    if (call->home == NULL || call->prefix == NULL
        || (call->csrf_new && entra_session_random(call->csrf) != 0))
    {
        entra_sign_in_call_free(call);
        return NULL;
    }

    entra_sign_in_route(call, request);

    if (call->timer == NULL && call->http == NULL) {
        entra_sign_in_call_free(call);
        return NULL;
    }

    return call;
}
