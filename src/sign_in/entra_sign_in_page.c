
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_enc.h"
#include "entra_sign_in_page.h"
#include "entra_time.h"


static const char  entra_sign_in_style[] =
    "body{font:16px/1.5 system-ui,sans-serif;max-width:44em;margin:2em auto;"
    "padding:0 1em;color:#1b1b1b;background:#fff}"
    "section{border:1px solid #bbb;border-radius:6px;padding:0 1.2em 1em;"
    "margin:1em 0}"
    "h1{font-size:1.5em}h2{font-size:1.15em;margin-bottom:.2em}"
    "small{color:#555}"
    ".due{color:#8a1f11}.good{color:#0b5a27}"
    ".code{font:bold 1.8em ui-monospace,monospace;letter-spacing:.12em}"
    "button{font:inherit;padding:.35em 1.1em}"
    "i{font-style:normal;white-space:nowrap}";


static void
entra_sign_in_text(entra_buf_t *out, const char *text)
{
    entra_enc_html(out, entra_str_c(text));
}


void
entra_sign_in_head(entra_buf_t *out, const char *title, int refresh,
    const char *url)
{
    entra_buf_add_c(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n"
                    "<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
                    "content=\"width=device-width\">\n");

    if (refresh >= 0) {
        entra_buf_addf(out, "<meta http-equiv=\"refresh\" content=\"%d",
                       refresh);

        if (url) {
            entra_buf_add_c(out, ";url=");
            entra_sign_in_text(out, url);
        }

        entra_buf_add_c(out, "\">\n");
    }

    entra_buf_add_c(out, "<title>");
    entra_sign_in_text(out, title);
    entra_buf_add_c(out, "</title>\n<style>");
    entra_buf_add_c(out, entra_sign_in_style);
    entra_buf_add_c(out, "</style>\n</head>\n<body>\n<main>\n<h1>");
    entra_sign_in_text(out, title);
    entra_buf_add_c(out, "</h1>\n");
}


void
entra_sign_in_tail(entra_buf_t *out)
{
    entra_buf_add_c(out, "</main>\n</body>\n</html>\n");
}


static void
entra_sign_in_state(entra_buf_t *out, const entra_sign_in_view_t *view)
{
    if (view->signed_in) {
        entra_buf_add_c(out, "<p class=\"good\">Signed in as <b>");
        entra_sign_in_text(out, view->user && view->user[0] ? view->user
                                                            : "somebody");
        entra_buf_add_c(out, "</b> since ");
        entra_time_format(view->since, out);
        entra_buf_add_c(out, ".</p>\n");

    } else {
        entra_buf_add_c(out, "<p class=\"due\"><b>Sign-in is due.</b>");

        if (view->why && view->why[0]) {
            entra_buf_add_c(out, " ");
            entra_sign_in_text(out, view->why);
        }

        entra_buf_add_c(out, "</p>\n");
    }

    if (view->wrong) {
        entra_buf_add_c(out, "<p class=\"due\">");
        entra_sign_in_text(out, view->wrong);
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
        entra_sign_in_text(out, s->uri);
        entra_buf_add_c(out, "\" target=\"_blank\" rel=\"noopener\">");
        entra_sign_in_text(out, s->uri);
        entra_buf_add_c(out, "</a> on any device, and enter the code</p>\n"
                        "<p class=\"code\">");
        entra_sign_in_text(out, s->user_code);
        entra_buf_addf(out, "</p>\n<p role=\"status\">Waiting for you to sign "
                       "in there. The code expires in %lld minutes. This page "
                       "looks by itself.</p>\n",
                       (long long) (view->left + 59) / 60);
        return;

    case ENTRA_SESSION_DONE:
        entra_buf_add_c(out, "<p class=\"good\" role=\"status\">");
        break;

    case ENTRA_SESSION_FAILED:
        entra_buf_add_c(out, "<p class=\"due\" role=\"alert\">");
        break;
    }

    entra_sign_in_text(out, s->text);
    entra_buf_add_c(out, "</p>\n");
}


void
entra_sign_in_view(entra_buf_t *out, const entra_sign_in_view_t *view,
    entra_str_t base, const char *csrf)
{
    entra_buf_add_c(out, "<section>\n<h2>");
    entra_sign_in_text(out, view->name);
    entra_buf_add_c(out, "</h2>\n<small>");
    entra_sign_in_text(out, view->type);
    entra_buf_add_c(out, ", <i>application ");
    entra_sign_in_text(out, view->client_id);
    entra_buf_add_c(out, "</i>, <i>tenant ");
    entra_sign_in_text(out, view->tenant);
    entra_buf_add_c(out, "</i></small>\n");

    entra_sign_in_state(out, view);

    if (view->session) {
        entra_sign_in_device(out, view);
    }

    entra_buf_add_c(out, "<form method=\"post\" action=\"");
    entra_enc_html(out, base);
    entra_buf_add_c(out, "/begin\">\n"
                    "<input type=\"hidden\" name=\"csrf\" value=\"");
    entra_sign_in_text(out, csrf);
    entra_buf_add_c(out, "\">\n<button name=\"credential\" value=\"");
    entra_sign_in_text(out, view->name);
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

    entra_sign_in_head(out, title, url ? refresh : -1, url);

    entra_buf_add_c(out, "<p>");
    entra_sign_in_text(out, text);
    entra_buf_add_c(out, "</p>\n");

    if (advice) {
        entra_buf_add_c(out, "<p>What to do: ");
        entra_sign_in_text(out, advice);
        entra_buf_add_c(out, ".</p>\n");
    }

    entra_buf_add_c(out, "<p><a href=\"");
    entra_enc_html(out, base);
    entra_buf_add_c(out, "\">To the sign-in page</a></p>\n");
    entra_sign_in_tail(out);

    free(url);
}


void
entra_sign_in_leave(entra_buf_t *out, const char *url, const char *host)
{
    entra_sign_in_head(out, "Sign in", 0, url);
    entra_buf_add_c(out, "<p><a href=\"");
    entra_sign_in_text(out, url);
    entra_buf_add_c(out, "\">Continue to ");
    entra_sign_in_text(out, host);
    entra_buf_add_c(out, "</a></p>\n");
    entra_sign_in_tail(out);
}


/* the one style sheet is named by its hash, everything else is forbidden */

void
entra_sign_in_csp(entra_buf_t *out)
{
    unsigned char  digest[ENTRA_SHA256_LEN];

    entra_buf_add_c(out, "default-src 'none'; base-uri 'none'; "
                    "form-action 'self'; frame-ancestors 'none'");

    if (entra_sha256(entra_str_c(entra_sign_in_style), digest) == 0) {
        entra_buf_add_c(out, "; style-src 'sha256-");
        entra_enc_base64(out, digest, sizeof(digest));
        entra_buf_add_char(out, '\'');
    }
}
