
/*
 * Copyright (C) nginx-entra authors
 */

#include <string.h>

#include "entra_ascii.h"
#include "entra_url.h"


static size_t
entra_url_address(entra_str_t text)
{
    size_t  i;

    for (i = 1; i < text.len; i++) {
        if (text.data[i] == ']') {
            return i > 2 ? i + 1 : 0;
        }

        if (entra_hex_digit(text.data[i]) < 0 && text.data[i] != ':'
            && text.data[i] != '.')
        {
            break;
        }
    }

    return 0;
}


size_t
entra_url_host(entra_str_t text)
{
    char    c;
    size_t  i;

    if (text.len && text.data[0] == '[') {
        return entra_url_address(text);
    }

    for (i = 0; i < text.len; i++) {
        c = text.data[i];

        if (!entra_is_alnum(c) && c != '-' && c != '_'
            && (c != '.' || i == 0 || text.data[i - 1] == '.'))
        {
            break;
        }
    }

    return i;
}


int
entra_url_port(entra_str_t text, unsigned *port)
{
    int64_t  n;

    *port = 0;

    if (text.len == 0) {
        return 0;
    }

    if (text.data[0] != ':') {
        return -1;
    }

    text.data++;
    text.len--;

    if (entra_str_int(text, &n) != 0 || n < 1 || n > 65535) {
        return -1;
    }

    *port = (unsigned) n;

    return 0;
}


static int
entra_url_target(entra_str_t target, entra_url_t *url)
{
    char    c;
    size_t  i;

    if (target.len && target.data[0] != '/' && target.data[0] != '?') {
        return -1;
    }

    for (i = 0; i < target.len; i++) {
        c = target.data[i];

        if (!entra_is_visible(c) || strchr("\"#<>\\^`{|}", c)) {
            return -1;
        }

        if (c == '?') {
            url->has_query = 1;
        }
    }

    return 0;
}


int
entra_url_parse(entra_str_t text, entra_url_t *url)
{
    unsigned     port;
    const char  *p, *end;

    memset(url, 0, sizeof(entra_url_t));

    if (text.len > ENTRA_URL_MAX) {
        return -1;
    }

    if (text.len >= 8 && entra_str_case_eq_c((entra_str_t) { 8, text.data },
                                             "https://"))
    {
        url->https = 1;
        p = text.data + 8;

    } else if (text.len >= 7
               && entra_str_case_eq_c((entra_str_t) { 7, text.data },
                                      "http://"))
    {
        p = text.data + 7;

    } else {
        return -1;
    }

    end = text.data + text.len;

    url->host.data = p;
    url->host.len = entra_url_host((entra_str_t) { (size_t) (end - p), p });

    if (url->host.len == 0) {
        return -1;
    }

    p += url->host.len;

    if (p < end && *p == ':') {
        url->port.data = ++p;

        while (p < end && entra_is_digit(*p)) {
            p++;
        }

        url->port.len = (size_t) (p - url->port.data);

        if (entra_url_port((entra_str_t) { url->port.len + 1,
                                           url->port.data - 1 }, &port)
            != 0)
        {
            return -1;
        }
    }

    url->origin.data = text.data;
    url->origin.len = (size_t) (p - text.data);
    url->target.data = p;
    url->target.len = (size_t) (end - p);

    return entra_url_target(url->target, url);
}


int
entra_url_check(const char *what, entra_str_t text, entra_url_t *url,
    entra_err_t *err)
{
    if (entra_url_parse(text, url) != 0) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "%s is not a URL of the form "
                             "http[s]://host[:port][/path] (no user name, no "
                             "fragment, no spaces)", what);
    }

    return 0;
}
