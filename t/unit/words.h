
/*
 * Copyright (C) nginx-entra authors
 *
 * A line of nginx.conf as words, for tests: spaces separate, "..." keeps
 * them together.
 */

#ifndef WORDS_H
#define WORDS_H


#include "entra_str.h"


#define WORDS_MAX  64


__attribute__((unused))
static unsigned
words_of(const char *line, entra_str_t words[WORDS_MAX])
{
    char         end;
    unsigned     n;
    const char  *start;

    for (n = 0; n < WORDS_MAX; n++) {

        while (*line == ' ') {
            line++;
        }

        if (*line == '\0') {
            return n;
        }

        end = ' ';

        if (*line == '"') {
            end = '"';
            line++;
        }

        start = line;

        while (*line && *line != end) {
            line++;
        }

        words[n].data = start;
        words[n].len = (size_t) (line - start);

        line += *line == '"';
    }

    return n;
}


#endif /* WORDS_H */
