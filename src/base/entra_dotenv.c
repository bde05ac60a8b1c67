
/*
 * Copyright (C) nginx-entra authors
 *
 * Parser of .env files.
 */

#include <string.h>

#include "entra_env.h"


#define ENTRA_DOTENV_ODD        3       /* lines that are told of */
#define ENTRA_DOTENV_TOTAL_MAX  (1024 * 1024)   /* bytes after expansion */


typedef struct {
    entra_env_t        *env;
    const char         *p;
    const char         *end;
    unsigned            line;           /* of p */
    unsigned            start;          /* of the assignment */
    size_t              total;
    const char         *odd;            /* why the assignment is skipped */
    entra_err_t        *err;
} entra_dotenv_t;


static int
entra_dotenv_error(entra_dotenv_t *d, const char *what)
{
    return entra_err_set(d->err, ENTRA_ERR_CONFIG, "%s in line %u", what,
                         d->start);
}


static int
entra_dotenv_odd(entra_dotenv_t *d, const char *what)
{
    d->odd = what;

    return -1;
}


static int
entra_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}


static int
entra_is_eol(char c)
{
    return c == '\n' || c == '\r';
}


static void
entra_dotenv_blanks(entra_dotenv_t *d)
{
    while (d->p < d->end && entra_is_blank(*d->p)) {
        d->p++;
    }
}


static void
entra_dotenv_next(entra_dotenv_t *d)
{
    if (*d->p == '\n') {
        d->line++;
    }

    d->p++;
}


/* between assignments */

static void
entra_dotenv_spaces(entra_dotenv_t *d)
{
    while (d->p < d->end && (entra_is_blank(*d->p) || entra_is_eol(*d->p))) {
        entra_dotenv_next(d);
    }
}


static void
entra_dotenv_skip_line(entra_dotenv_t *d)
{
    while (d->p < d->end && !entra_is_eol(*d->p)) {
        d->p++;
    }
}


static void
entra_dotenv_export(entra_dotenv_t *d)
{
    if (d->end - d->p >= 7 && memcmp(d->p, "export", 6) == 0
        && entra_is_blank(d->p[6]))
    {
        d->p += 6;
        entra_dotenv_blanks(d);
    }
}


static int
entra_dotenv_name(entra_dotenv_t *d, entra_str_t *name)
{
    int  quoted = d->p < d->end && *d->p == '\'';

    d->p += quoted;
    name->data = d->p;

    while (d->p < d->end && !entra_is_eol(*d->p)) {

        if (quoted ? *d->p == '\''
                   : *d->p == '=' || *d->p == '#' || entra_is_blank(*d->p))
        {
            break;
        }

        d->p++;
    }

    name->len = (size_t) (d->p - name->data);

    if (quoted) {
        if (d->p == d->end || *d->p != '\'') {
            return entra_dotenv_odd(d, "unterminated name");
        }

        d->p++;
    }

    if (name->len == 0) {
        return entra_dotenv_odd(d, "no name");
    }

    return 0;
}


/* the character that "\c" stands for, or 0 when the backslash stays */

static char
entra_dotenv_escape(char c, char quote)
{
    static const char  names[] = "abfnrtv";
    static const char  chars[] = "\a\b\f\n\r\t\v";

    const char  *p;

    if (c == '\\' || c == '\'') {
        return c;
    }

    if (quote == '\'') {
        return 0;
    }

    p = strchr(names, c);

    return p && c ? chars[p - names] : c == '"' ? c : 0;
}


static int
entra_dotenv_quoted(entra_dotenv_t *d, entra_buf_t *out)
{
    char  quote = *d->p++, c;

    while (d->p < d->end && *d->p != quote) {

        if (*d->p == '\\' && d->p + 1 < d->end) {
            c = entra_dotenv_escape(d->p[1], quote);

            if (c) {
                entra_buf_add_char(out, c);
                d->p += 2;
                continue;
            }
        }

        entra_buf_add_char(out, *d->p);
        entra_dotenv_next(d);
    }

    if (d->p == d->end) {
        return entra_dotenv_odd(d, "unterminated quote");
    }

    d->p++;
    entra_dotenv_blanks(d);

    if (d->p < d->end && *d->p == '#') {
        entra_dotenv_skip_line(d);
    }

    if (d->p < d->end && !entra_is_eol(*d->p)) {
        return entra_dotenv_odd(d, "text after a quoted value");
    }

    return 0;
}


static void
entra_dotenv_plain(entra_dotenv_t *d, entra_buf_t *out)
{
    entra_str_t  text;
    const char  *p;

    text.data = d->p;
    entra_dotenv_skip_line(d);

    /* a comment begins at a "#" after white space */

    for (p = text.data; p < d->p; p++) {
        if (*p == '#' && p > text.data && entra_is_blank(p[-1])) {
            break;
        }
    }

    text.len = (size_t) (p - text.data);

    entra_buf_add_str(out, entra_str_trim(text));
}


/*
 * Takes "${NAME}" or "${NAME:-default}" at s[i] and returns the position
 * after it; i when there is none.
 */

static size_t
entra_dotenv_reference(entra_dotenv_t *d, entra_str_t s, size_t i,
    entra_buf_t *out)
{
    size_t        n, end;
    const char   *close;
    entra_str_t   name, value, other = entra_str_null;

    if (i + 1 >= s.len || s.data[i + 1] != '{') {
        return i;
    }

    close = memchr(s.data + i, '}', s.len - i);
    if (close == NULL) {
        return i;
    }

    end = (size_t) (close - s.data);
    name.data = s.data + i + 2;

    for (n = i + 2; n < end && s.data[n] != ':'; n++) { /* void */ }

    name.len = n - (i + 2);

    if (n < end) {
        if (s.data[n + 1] != '-') {
            return i;
        }

        other.data = s.data + n + 2;
        other.len = end - (n + 2);
    }

    /* unlike in a shell, one that is set but empty is not replaced */

    entra_buf_add_str(out, entra_env_find(d->env, name, &value) == 0 ? value
                                                                     : other);
    return end + 1;
}


static void
entra_dotenv_expand(entra_dotenv_t *d, entra_str_t s, entra_buf_t *out)
{
    size_t  i, next, last;

    /* or every "${" would look for its "}" up to the end */

    for (last = s.len; last > 0 && s.data[last - 1] != '}'; last--) {
        /* void */
    }

    for (i = 0; i < s.len; i = next) {
        next = i;

        if (i < last && s.data[i] == '$') {
            next = entra_dotenv_reference(d, s, i, out);
        }

        if (next == i) {
            entra_buf_add_char(out, s.data[i]);
            next = i + 1;
        }
    }
}


static int
entra_dotenv_value(entra_dotenv_t *d, entra_buf_t *raw, entra_buf_t *value)
{
    entra_dotenv_blanks(d);

    if (d->p < d->end && (*d->p == '\'' || *d->p == '"')) {
        if (entra_dotenv_quoted(d, raw) != 0) {
            return -1;
        }

    } else {
        entra_dotenv_plain(d, raw);
    }

    entra_dotenv_expand(d, entra_buf_str(raw), value);

    if (!entra_buf_ok(raw) || !entra_buf_ok(value)) {
        return entra_dotenv_error(d, "too long a value");
    }

    /* references to references can grow without the file doing so */

    d->total += value->len;

    if (d->total > ENTRA_DOTENV_TOTAL_MAX) {
        return entra_dotenv_error(d, "too much text after expansion");
    }

    return 0;
}


static int
entra_dotenv_assignment(entra_dotenv_t *d, entra_buf_t *raw,
    entra_buf_t *value)
{
    entra_str_t  name;

    entra_dotenv_export(d);

    if (entra_dotenv_name(d, &name) != 0) {
        return -1;
    }

    entra_dotenv_blanks(d);

    if (d->p == d->end || entra_is_eol(*d->p) || *d->p == '#') {

        /* a name alone is allowed there: what it was set to before is gone */

        entra_dotenv_skip_line(d);

        if (entra_env_set(d->env, name, entra_str("")) != 0) {
            return entra_dotenv_error(d, "no memory");
        }

        return 0;
    }

    if (*d->p != '=') {
        return entra_dotenv_odd(d, "no \"=\" after the name");
    }

    d->p++;

    if (entra_dotenv_value(d, raw, value) != 0) {
        return -1;
    }

    if (entra_env_set(d->env, name, entra_buf_str(value)) != 0) {
        return entra_dotenv_error(d, "no memory");
    }

    return 0;
}


/* 0: it was odd, and is skipped as python-dotenv does: to the line's end */

static int
entra_dotenv_skip(entra_dotenv_t *d, const char *start, unsigned *n,
    entra_buf_t *odd)
{
    if (d->odd == NULL) {
        return -1;
    }

    if (odd && ++*n <= ENTRA_DOTENV_ODD) {
        entra_buf_addf(odd, "%sline %u is skipped: %s", *n > 1 ? "; " : "",
                       d->start, d->odd);
    }

    d->p = start;
    d->line = d->start;
    d->odd = NULL;

    entra_dotenv_skip_line(d);

    return 0;
}


int
entra_env_parse(entra_env_t *env, entra_str_t text, entra_buf_t *odd,
    entra_err_t *err)
{
    int             rc = 0;
    unsigned        n = 0;
    const char     *start;
    entra_buf_t     raw, value;
    entra_dotenv_t  d;

    memset(&d, 0, sizeof(entra_dotenv_t));

    d.env = env;
    d.err = err;
    d.line = 1;
    d.start = 1;

    if (text.len > ENTRA_DOTENV_MAX) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "more than %d bytes of variables",
                             ENTRA_DOTENV_MAX);
    }

    if (text.len && memchr(text.data, '\0', text.len)) {
        return entra_err_set(err, ENTRA_ERR_CONFIG, "NUL among the variables");
    }

    d.p = text.len ? text.data : "";
    d.end = d.p + text.len;

    if (entra_str_starts(text, "\xef\xbb\xbf")) {
        d.p += 3;
    }

    entra_buf_init(&raw, ENTRA_DOTENV_MAX);
    entra_buf_init(&value, ENTRA_DOTENV_MAX);

    for ( ;; ) {
        entra_dotenv_spaces(&d);

        if (d.p == d.end) {
            break;
        }

        d.start = d.line;
        start = d.p;

        if (*d.p == '#') {
            entra_dotenv_skip_line(&d);
            continue;
        }

        if (entra_dotenv_assignment(&d, &raw, &value) != 0) {
            rc = entra_dotenv_skip(&d, start, &n, odd);

            if (rc != 0) {
                break;
            }
        }

        entra_buf_reset(&raw);
        entra_buf_reset(&value);
    }

    entra_buf_free(&raw);
    entra_buf_free(&value);

    if (n > ENTRA_DOTENV_ODD) {
        entra_buf_addf(odd, "; and %u more", n - ENTRA_DOTENV_ODD);
    }

    return rc;
}
