
/*
 * Copyright (C) nginx-entra authors
 *
 * Windows of time: what is accepted is open at some time of the week, and
 * never more than all of it.
 */

#include <stdlib.h>
#include <string.h>

#include "../unit/words.h"
#include "entra_time_window.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                 text[256];
    unsigned             n, i, open;
    int64_t              at;
    entra_err_t          err;
    entra_str_t          words[WORDS_MAX];
    entra_time_window_t  window;

    size = size < sizeof(text) ? size : sizeof(text) - 1;
    memcpy(text, data, size);
    text[size] = '\0';

    entra_err_clear(&err);
    (void) entra_time_moment((entra_str_t) { size, text }, &at);

    n = words_of(text, words);

    if (entra_time_window_parse(&window, words, n, &err) != 0) {
        return 0;
    }

    open = 0;

    for (i = 0; i < ENTRA_WEEK_MINUTES; i++) {
        open += (unsigned) entra_time_window_has(&window,
                                                 (int64_t) i * 60 + i % 60);
    }

    if (open == 0 || open > ENTRA_WEEK_MINUTES) {
        abort();
    }

    (void) entra_time_window_has(&window, INT64_MAX);
    (void) entra_time_window_has(&window, INT64_MIN);

    return 0;
}
