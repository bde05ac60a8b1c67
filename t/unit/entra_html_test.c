
/*
 * Copyright (C) nginx-entra authors
 */

#include <openssl/evp.h>

#include "entra_enc.h"
#include "entra_html.h"
#include "tap.h"


/* what is in the page is what the policy lets through */

static void
policy(void)
{
    char           *begin, *end;
    unsigned        n = 0;
    entra_buf_t     page, csp, hash;
    unsigned char   digest[EVP_MAX_MD_SIZE];

    entra_buf_init(&page, 64 * 1024);
    entra_buf_init(&csp, 1024);
    entra_buf_init(&hash, 256);

    entra_html_head(&page, "x", -1, NULL);
    entra_html_tail(&page);
    entra_html_csp(&csp);

    begin = strstr(page.data, "<style>");
    end = strstr(page.data, "</style>");
    ok(begin && end, "a style sheet");

    begin += strlen("<style>");
    EVP_Digest(begin, (size_t) (end - begin), digest, &n, EVP_sha256(), NULL);
    entra_buf_add_c(&hash, "style-src 'sha256-");
    entra_enc_base64(&hash, digest, n);
    entra_buf_add_char(&hash, '\'');

    ok(strstr(csp.data, hash.data) != NULL, "its hash is in the policy");
    ok(strstr(csp.data, "default-src 'none'; ") == csp.data,
       "which lets nothing else through");
    ok(strstr(csp.data, "unsafe") == NULL, "at all");
    ok(strstr(begin, "<style>") == NULL, "there is no other one");
    ok(strstr(page.data, "<script") == NULL, "and no script");
    ok(strstr(page.data, "http-equiv") == NULL, "a page that stays");

    entra_buf_free(&page);
    entra_buf_free(&csp);
    entra_buf_free(&hash);
}


static void
head(void)
{
    entra_buf_t  b;

    entra_buf_init(&b, 64 * 1024);
    entra_html_head(&b, "<a> & 'b'", 5, "/x?a=\"&b=<c>");

    ok(strstr(b.data, "<title>&lt;a&gt; &amp; &#39;b&#39;</title>") != NULL,
       "the title is text");
    ok(strstr(b.data, "<h1>&lt;a&gt; &amp; &#39;b&#39;</h1>") != NULL,
       "so is the heading");
    ok(strstr(b.data, "content=\"5;url=/x?a=&quot;&amp;b=&lt;c&gt;\">") != NULL,
       "and where it goes after 5 seconds");

    entra_buf_free(&b);
    entra_buf_init(&b, 64 * 1024);
    entra_html_head(&b, "x", 0, NULL);
    ok(strstr(b.data, "http-equiv=\"refresh\" content=\"0\">") != NULL,
       "at once, to itself");
    entra_buf_free(&b);
}


static void
bar(void)
{
    entra_buf_t  b;

    entra_buf_init(&b, 4096);
    entra_html_bar(&b, "good", 500, 100, "half \"of\" it");
    ok(strstr(b.data, "aria-label=\"half &quot;of&quot; it\"") != NULL,
       "a bar says what it shows");
    ok(strstr(b.data, "class=\"good\" width=\"500\"") != NULL, "its length");
    ok(strstr(b.data, "class=\"mark\" x=\"100\"") != NULL, "its mark");
    ok(strstr(b.data, "style=") == NULL, "without a style attribute");
    entra_buf_free(&b);

    entra_buf_init(&b, 4096);
    entra_html_bar(&b, "good", 5000, -1, "");
    ok(strstr(b.data, "width=\"5000\"") == NULL, "never longer than all");
    ok(strstr(b.data, "mark") == NULL, "no mark");
    entra_buf_free(&b);

    entra_buf_init(&b, 4096);
    entra_html_bar(&b, "bad", -1, 1000, "");
    ok(strstr(b.data, "class=\"bad\" width=\"0\"") != NULL,
       "nor shorter than nothing");
    ok(strstr(b.data, "x=\"994\"") != NULL, "a mark at the end is to be seen");
    entra_buf_free(&b);
}


int
main(void)
{
    policy();
    head();
    bar();

    return done();
}
