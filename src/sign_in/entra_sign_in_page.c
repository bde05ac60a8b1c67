
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>

#include "entra_enc.h"
#include "entra_html.h"
#include "entra_sign_in_page.h"
#include "entra_time.h"


static void
entra_sign_in_state(entra_buf_t *out, const entra_sign_in_view_t *view)
{
    if (view->signed_in) {
        entra_buf_add_c(out, "<p class=\"good\">Signed in as <b>");
        entra_html_c(out, view->user && view->user[0] ? view->user
                                                      : "somebody");
        entra_buf_add_c(out, "</b> since ");
        entra_time_format(view->since, out);
        entra_buf_add_c(out, ".</p>\n");

    } else {
        entra_buf_add_c(out, "<p class=\"bad\"><b>Sign-in is due.</b>");

        if (view->why && view->why[0]) {
            entra_buf_add_c(out, " ");
            entra_html_c(out, view->why);
        }

        entra_buf_add_c(out, "</p>\n");
    }

    if (view->wrong) {
        entra_buf_add_c(out, "<p class=\"bad\">");
        entra_html_c(out, view->wrong);
        entra_buf_add_c(out, "</p>\n");
    }
}


static void
entra_sign_in_device(entra_buf_t *out, const entra_sign_in_view_t *view)
{
    const entra_session_t  *s = view->session;

    switch (s->progress) {

    case ENTRA_SESSION_PENDING:
        entra_buf_add_c(out, "<p>Open <a href=\"");
        entra_html_c(out, s->uri);
        entra_buf_add_c(out, "\" target=\"_blank\" rel=\"noopener\">");
        entra_html_c(out, s->uri);
        entra_buf_add_c(out, "</a> on any device, and enter the code</p>\n"
                        "<p class=\"code\">");
        entra_html_c(out, s->user_code);
        entra_buf_addf(out, "</p>\n<p role=\"status\">Waiting for you to sign "
                       "in there. The code expires in %lld minutes. This page "
                       "looks by itself.</p>\n",
                       (long long) (view->left + 59) / 60);
        return;

    case ENTRA_SESSION_DONE:
        entra_buf_add_c(out, "<p class=\"good\" role=\"status\">");
        break;

    case ENTRA_SESSION_FAILED:
        entra_buf_add_c(out, "<p class=\"bad\" role=\"alert\">");
        break;
    }

    entra_html_c(out, s->text);
    entra_buf_add_c(out, "</p>\n");
}


/* what somebody who signs in here gives, and to whom */

static void
entra_sign_in_purpose(entra_buf_t *out, const entra_sign_in_view_t *view)
{
    unsigned  i;

    entra_buf_add_c(out, "<p>Whoever signs in lets this gateway send requests "
                    "in their name, with tokens for ");

    for (i = 0; i < view->nscopes; i++) {
        entra_buf_add_c(out, i == 0 ? "<b class=\"break\">"
                                    : ", <b class=\"break\">");
        entra_html_c(out, view->scopes[i]);
        entra_buf_add_c(out, "</b>");
    }

    entra_buf_add_c(out, view->nscopes ? ".</p>\n"
                         : "the scopes that locations ask for.</p>\n");
}


void
entra_sign_in_view(entra_buf_t *out, const entra_sign_in_view_t *view,
    entra_str_t base, const char *csrf)
{
    entra_buf_add_c(out, "<section>\n<h2>");
    entra_html_c(out, view->name);
    entra_buf_add_c(out, "</h2>\n<small>");
    entra_html_c(out, view->type);
    entra_buf_add_c(out, ", <i>application ");
    entra_html_c(out, view->client_id);
    entra_buf_add_c(out, "</i>, <i>tenant ");
    entra_html_c(out, view->tenant);
    entra_buf_add_c(out, "</i></small>\n");

    entra_sign_in_purpose(out, view);
    entra_sign_in_state(out, view);

    if (view->session) {
        entra_sign_in_device(out, view);
    }

    entra_buf_add_c(out, "<form method=\"post\" action=\"");
    entra_enc_html(out, base);
    entra_buf_add_c(out, "/begin\">\n"
                    "<input type=\"hidden\" name=\"csrf\" value=\"");
    entra_html_c(out, csrf);
    entra_buf_add_c(out, "\">\n<button name=\"credential\" value=\"");
    entra_html_c(out, view->name);
    entra_buf_add_c(out, "\">");
    entra_buf_add_c(out, view->session
                         && view->session->progress == ENTRA_SESSION_PENDING
                         ? "Start over"
                         : view->signed_in ? "Sign in again" : "Sign in");
    entra_buf_add_c(out, "</button>\n</form>\n</section>\n");
}


void
entra_sign_in_message(entra_buf_t *out, const char *title, const char *text,
    const char *advice, entra_str_t base, int refresh)
{
    char  *url;

    url = entra_str_dup(base);

    entra_html_head(out, title, url ? refresh : -1, url);

    entra_buf_add_c(out, "<p>");
    entra_html_c(out, text);
    entra_buf_add_c(out, "</p>\n");

    if (advice) {
        entra_buf_add_c(out, "<p>What to do: ");
        entra_html_c(out, advice);
        entra_buf_add_c(out, ".</p>\n");
    }

    entra_buf_add_c(out, "<p><a href=\"");
    entra_enc_html(out, base);
    entra_buf_add_c(out, "\">To the sign-in page</a></p>\n");
    entra_html_tail(out);

    free(url);
}


void
entra_sign_in_leave(entra_buf_t *out, const char *url, const char *host)
{
    entra_html_head(out, "Sign in", 0, url);
    entra_buf_add_c(out, "<p><a href=\"");
    entra_html_c(out, url);
    entra_buf_add_c(out, "\">Continue to ");
    entra_html_c(out, host);
    entra_buf_add_c(out, "</a></p>\n");
    entra_html_tail(out);
}
