
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdio.h>
#include <string.h>

#include "entra_suggest.h"


void
entra_suggest_begin(entra_suggest_t *s, entra_str_t word)
{
    memset(s, 0, sizeof(entra_suggest_t));

    s->word = word;
    s->distance = word.len < 3 ? 2 : (unsigned) word.len / 3 + 1;

    /* "x" is near to everything */

    if (word.len < 2 || word.len > ENTRA_SUGGEST_MAX) {
        s->distance = 0;
    }
}


static unsigned
entra_suggest_min(unsigned a, unsigned b)
{
    return a < b ? a : b;
}


/* Damerau-Levenshtein, of neighbours; rows: of the two before, and this */

static unsigned
entra_suggest_distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t     i, j;
    unsigned   rows[3][ENTRA_SUGGEST_MAX + 1], *before, *last, *row, *swap;

    before = rows[0];
    last = rows[1];
    row = rows[2];

    for (j = 0; j <= m; j++) {
        last[j] = (unsigned) j;
        before[j] = 0;
    }

    for (i = 1; i <= n; i++) {
        row[0] = (unsigned) i;

        for (j = 1; j <= m; j++) {
            row[j] = entra_suggest_min(last[j], row[j - 1]) + 1;
            row[j] = entra_suggest_min(row[j],
                                       last[j - 1] + (a[i - 1] != b[j - 1]));

            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
            {
                row[j] = entra_suggest_min(row[j], before[j - 2] + 1);
            }
        }

        swap = before;
        before = last;
        last = row;
        row = swap;
    }

    return last[m];
}


void
entra_suggest_offer(entra_suggest_t *s, entra_str_t name)
{
    char      a[ENTRA_SUGGEST_MAX], b[ENTRA_SUGGEST_MAX];
    unsigned  distance;

    if (s->distance == 0 || name.len == 0 || name.len > ENTRA_SUGGEST_MAX) {
        return;
    }

    entra_str_lower(a, s->word);
    entra_str_lower(b, name);

    distance = entra_suggest_distance(a, s->word.len, b, name.len);

    /* "policy" for "policies" */

    if (distance > 1 && s->word.len > 4 && name.len > 4
        && memcmp(a, b, 4) == 0)
    {
        distance--;
    }

    if (distance < s->distance) {
        s->distance = distance;
        s->name = name;
    }
}


void
entra_suggest_list(entra_suggest_t *s, const char *const *names)
{
    for ( /* void */ ; *names; names++) {
        entra_suggest_offer(s, entra_str_c(*names));
    }
}


int
entra_suggest_text(const entra_suggest_t *s, char text[ENTRA_SUGGEST_TEXT])
{
    text[0] = '\0';

    if (s->name.len) {
        (void) snprintf(text, ENTRA_SUGGEST_TEXT, ", did you mean \"%.*s\"?",
                        (int) s->name.len, s->name.data);
    }

    return s->name.len != 0;
}


int
entra_suggest_add(const entra_suggest_t *s, entra_buf_t *out)
{
    char  text[ENTRA_SUGGEST_TEXT];

    (void) entra_suggest_text(s, text);
    entra_buf_add_c(out, text);

    return text[0] != '\0';
}


int
entra_suggest(char text[ENTRA_SUGGEST_TEXT], entra_str_t word,
    const char *const *names)
{
    entra_suggest_t  s;

    entra_suggest_begin(&s, word);
    entra_suggest_list(&s, names);

    return entra_suggest_text(&s, text);
}
