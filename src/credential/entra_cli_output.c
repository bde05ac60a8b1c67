
/*
 * Copyright (C) nginx-entra authors
 *
 * What command line tools write when they fail: finding the line that counts,
 * and taking out what must not be repeated.
 */

#include <string.h>

#include "entra_ascii.h"
#include "entra_cli.h"


#define ENTRA_CLI_SEPARATORS  4         /* of a label, repeated, bytes */


static size_t
entra_cli_at(entra_str_t text, size_t from, const char *part)
{
    size_t       i, n = strlen(part);
    entra_str_t  here;

    for (i = from; i + n <= text.len; i++) {
        here.data = text.data + i;
        here.len = n;

        if (entra_str_case_eq_c(here, part)) {
            return i;
        }
    }

    return text.len;
}


int
entra_cli_has(entra_str_t text, const char *part)
{
    return entra_cli_at(text, 0, part) != text.len;
}


/* bytes of "accessToken at s, or 0 */

static size_t
entra_cli_label(entra_str_t s)
{
    entra_str_t  word;

    static const char  *const labels[] = {
        "accessToken", "access_token", "refreshToken", "refresh_token",
        "\"token", NULL
    };
    const char *const  *label;

    for (label = labels; *label; label++) {
        word.len = strlen(*label);
        word.data = s.data;

        if (word.len <= s.len && entra_str_case_eq_c(word, *label)) {
            return word.len;
        }
    }

    return 0;
}


/* between a label and its value: "=" is of a word, too, so few are repeated */

static size_t
entra_cli_separators(entra_str_t s)
{
    size_t  n;

    for (n = 0; n < s.len; n++) {
        if (s.data[n] == '\0' || strchr("\"'\\: =", s.data[n]) == NULL) {
            break;
        }
    }

    return n;
}


static void
entra_cli_skip(entra_str_t *s, size_t n)
{
    s->data += n;
    s->len -= n;
}


/* what a label announces is cut however short it is, other words if long */

static void
entra_cli_redact(entra_str_t s, entra_buf_t *out)
{
    size_t  n, label;

    while (s.len && out->len < ENTRA_CLI_LINE) {
        n = entra_err_word(s);
        label = n < ENTRA_CLI_WORD ? entra_cli_label(s) : 0;

        if (label) {
            entra_buf_add(out, s.data, label);
            entra_cli_skip(&s, label);

            n = entra_cli_separators(s);
            entra_buf_add(out, s.data, n < ENTRA_CLI_SEPARATORS
                                       ? n : ENTRA_CLI_SEPARATORS);
            entra_cli_skip(&s, n);

            n = entra_err_word(s);
        }

        if (n && (label || n >= ENTRA_CLI_WORD)) {
            entra_buf_add_c(out, "[...]");
            entra_cli_skip(&s, n);

        } else if (s.len) {
            entra_buf_add(out, s.data, 1);
            entra_cli_skip(&s, 1);
        }
    }
}


/* tools end with their error, or mark it; a Python trace is of no help */

static entra_str_t
entra_cli_choose(entra_str_t text)
{
    int          announced = 0;
    size_t       end;
    entra_str_t  line, last = entra_str_null;

    while (text.len) {
        end = 0;

        while (end < text.len && text.data[end] != '\n') {
            end++;
        }

        line.data = text.data;
        line.len = end;
        line = entra_str_trim(line);

        if (entra_str_starts(line, "ERROR:")) {
            line.data += 6;
            line.len -= 6;
            line = entra_str_trim(line);

            /* azd: "failed to authenticate:", and why in the next line */

            if (!entra_str_ends(line, ":")) {
                return line;
            }

            announced = 1;
            last = line;

        } else if (line.len && announced) {
            return line;

        } else if (line.len && !entra_str_starts(line, "WARNING:")) {
            last = line;
        }

        end += end < text.len;
        text.data += end;
        text.len -= end;
    }

    return last;
}


void
entra_cli_line(entra_str_t text, char line[ENTRA_CLI_LINE])
{
    entra_str_t  chosen;
    entra_buf_t  b;

    chosen = entra_cli_choose(text);

    entra_buf_init(&b, 2 * ENTRA_CLI_LINE);
    entra_cli_redact(chosen, &b);

    entra_err_clean(line, ENTRA_CLI_LINE, entra_buf_str(&b));
    entra_buf_free(&b);
}


uint32_t
entra_cli_aadsts(entra_str_t text)
{
    size_t    i, n;
    uint64_t  code = 0;

    i = entra_cli_at(text, 0, "AADSTS");

    for (i += 6, n = 0; i < text.len && n < 9; i++, n++) {
        if (!entra_is_digit(text.data[i])) {
            break;
        }

        code = code * 10 + (uint64_t) (text.data[i] - '0');
    }

    return (uint32_t) code;
}
