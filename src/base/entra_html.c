
/*
 * Copyright (C) nginx-entra authors
 */

#include <openssl/evp.h>

#include "entra_enc.h"
#include "entra_html.h"


/*
 * Text and background of each pair have a contrast of 4.5 at least (WCAG 2.2,
 * 1.4.3), in both schemes: t/interop/pages.t asks a browser.
 */

static const char  entra_html_style[] =
    ":root{color-scheme:light dark;"
    "--page:#ffffff;--panel:#f4f6f8;--text:#1b1f24;--soft:#57606a;"
    "--line:#c4ccd4;--good:#1a7034;--warn:#855300;--bad:#b3261e;"
    "--info:#0b57a4}\n"
    "@media(prefers-color-scheme:dark){:root{"
    "--page:#0d1117;--panel:#161b22;--text:#e6edf3;--soft:#9aa4af;"
    "--line:#3d444d;--good:#4ac26b;--warn:#d4a72c;--bad:#ff7b72;"
    "--info:#79b8ff}}\n"
    "*{box-sizing:border-box}\n"
    "body{font:15px/1.5 system-ui,sans-serif;margin:0;color:var(--text);"
    "background:var(--page)}\n"
    "main{max-width:100rem;margin:0 auto;padding:1rem 1.5rem 2rem}\n"
    "h1{font-size:1.5rem;margin:.2rem 0 .6rem}"
    "h2{font-size:1.1rem;margin:1.8rem 0 .5rem}\n"
    "p{margin:.4rem 0}a{color:var(--info)}\n"
    ".good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}"
    ".info{color:var(--info)}.off,.soft,small{color:var(--soft)}\n"
    ".good,.warn,.bad,.info,.off{font-weight:600}\n"
    "small,.soft{font-size:.87rem;font-weight:400}\n"
    ".break{overflow-wrap:anywhere}i{font-style:normal}"
    "td i{white-space:nowrap}\n"

    "ul.states{list-style:none;display:flex;flex-wrap:wrap;gap:.4rem .6rem;"
    "margin:.6rem 0;padding:0}\n"
    "ul.states a{display:block;padding:.2rem .6rem;border-radius:.3rem;"
    "border:1px solid var(--line);background:var(--panel);"
    "text-decoration:none}\n"
    "ul.states a[aria-current]{border-color:currentColor}\n"
    ":focus-visible{outline:2px solid var(--info);outline-offset:2px}\n"

    "table{border-collapse:collapse;width:100%;margin:.4rem 0}\n"
    "th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;"
    "border-bottom:1px solid var(--line)}\n"
    "th{font-size:.87rem;color:var(--soft);background:var(--panel)}\n"
    ".n{text-align:right;font-variant-numeric:tabular-nums}\n"
    "table.most th:first-child{width:28%}\n"
    "td b{font-weight:600}tr.more td{border-bottom:0}"
    "tr.note td{padding-top:0}\n"
    "svg{display:block;width:18rem;max-width:100%;height:.6rem;"
    "margin:.35rem 0}\n"
    "svg.times{width:10rem;height:1.2rem}\n"
    "svg .all{fill:var(--line)}svg .good{fill:var(--good)}"
    "svg .warn{fill:var(--warn)}svg .bad{fill:var(--bad)}"
    "svg .mark{fill:var(--text)}\n"

    "section{border:1px solid var(--line);border-radius:.4rem;"
    "padding:0 1.2rem 1rem;margin:1rem 0;max-width:46rem}"
    "section h2{margin:.8rem 0 .1rem}\n"
    ".code{font:bold 1.8em ui-monospace,monospace;letter-spacing:.12em}\n"
    "button,input,select{font:inherit;color:inherit;"
    "background:var(--page);border:1px solid var(--soft);"
    "border-radius:.3rem;padding:.3rem .7rem;max-width:100%}\n"
    "button{background:var(--panel)}"
    "::placeholder{color:var(--soft);opacity:1}\n"
    "form.row{display:flex;flex-wrap:wrap;gap:.5rem;align-items:center;"
    "margin:.6rem 0}\n"
    "form.grid{display:grid;gap:.6rem 1rem;"
    "grid-template-columns:repeat(auto-fill,minmax(15rem,1fr))}\n"
    "form.grid label{display:block;font-size:.87rem}"
    "form.grid input,form.grid select{display:block;width:100%}\n"
    "form.grid p{grid-column:1/-1}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;"
    "margin:.5rem 0}dt{color:var(--soft)}dd{margin:0;"
    "overflow-wrap:anywhere}\n"

    /* a row becomes a block whose cells say what they are */

    "@media(max-width:52rem){main{padding:.8rem}"
    "table.wide thead{position:absolute;width:1px;height:1px;"
    "overflow:hidden;clip-path:inset(50%)}\n"
    "table.wide,table.wide tbody,table.wide tr,table.wide td{display:block}\n"
    "table.wide td{border:0;padding:.15rem 0;text-align:left;"
    "overflow-wrap:anywhere}\n"
    "table.wide td[data-label]:not(:empty){position:relative;"
    "padding-left:7.6rem}\n"
    "table.wide td[data-label]:not(:empty)::before{content:attr(data-label);"
    "position:absolute;left:0;color:var(--soft);font-size:.87rem;"
    "font-weight:400}\n"
    "table.wide tr{border-bottom:1px solid var(--line);padding:.5rem 0}"
    "table.wide tr.more{border-bottom:0;padding-bottom:0}}\n";


void
entra_html_c(entra_buf_t *out, const char *text)
{
    entra_enc_html(out, entra_str_c(text));
}


void
entra_html_head(entra_buf_t *out, const char *title, int refresh,
    const char *url)
{
    entra_buf_add_c(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n"
                    "<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
                    "content=\"width=device-width\">\n<meta "
                    "name=\"color-scheme\" content=\"light dark\">\n");

    if (refresh >= 0) {
        entra_buf_addf(out, "<meta http-equiv=\"refresh\" content=\"%d",
                       refresh);

        if (url) {
            entra_buf_add_c(out, ";url=");
            entra_html_c(out, url);
        }

        entra_buf_add_c(out, "\">\n");
    }

    entra_buf_add_c(out, "<title>");
    entra_html_c(out, title);
    entra_buf_add_c(out, "</title>\n<style>");
    entra_buf_add_c(out, entra_html_style);
    entra_buf_add_c(out, "</style>\n</head>\n<body>\n<main>\n<h1>");
    entra_html_c(out, title);
    entra_buf_add_c(out, "</h1>\n");
}


void
entra_html_tail(entra_buf_t *out)
{
    entra_buf_add_c(out, "</main>\n</body>\n</html>\n");
}


/* the policy forbids style attributes: SVG has a width of its own */

void
entra_html_bar(entra_buf_t *out, const char *class, int done, int mark,
    const char *label)
{
    entra_buf_add_c(out, "<svg viewBox=\"0 0 1000 10\" "
                    "preserveAspectRatio=\"none\" role=\"img\" "
                    "aria-label=\"");
    entra_html_c(out, label);
    entra_buf_addf(out, "\"><rect class=\"all\" width=\"1000\" height=\"10\"/>"
                   "<rect class=\"%s\" width=\"%d\" height=\"10\"/>",
                   class, done < 0 ? 0 : done > 1000 ? 1000 : done);

    if (mark >= 0 && mark <= 1000) {
        entra_buf_addf(out, "<rect class=\"mark\" x=\"%d\" width=\"6\" "
                       "height=\"10\"/>", mark > 994 ? 994 : mark);
    }

    entra_buf_add_c(out, "</svg>");
}


/* the one style sheet is named by its hash, everything else is forbidden */

void
entra_html_csp(entra_buf_t *out)
{
    unsigned       n = 0;
    unsigned char  digest[EVP_MAX_MD_SIZE];

    entra_buf_add_c(out, "default-src 'none'; base-uri 'none'; "
                    "form-action 'self'; frame-ancestors 'none'");

    if (EVP_Digest(entra_html_style, sizeof(entra_html_style) - 1, digest, &n,
                   EVP_sha256(), NULL))
    {
        entra_buf_add_c(out, "; style-src 'sha256-");
        entra_enc_base64(out, digest, n);
        entra_buf_add_char(out, '\'');
    }
}
