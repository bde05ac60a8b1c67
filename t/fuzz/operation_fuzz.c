
/*
 * Copyright (C) nginx-entra authors
 *
 * Operations: "METHOD PATH", then, after a new line, a line of a block.
 * Judging it writes nowhere beyond scratch; a path without objections is
 * canonical once it was made so; the true forms imply the loose ones.
 */

#include <stdlib.h>
#include <string.h>

#include "../unit/words.h"
#include "entra_operation.h"
#include "entra_path.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
canonical(const entra_operation_t *op)
{
    char         *again;
    size_t        n;
    entra_str_t   s;

    again = malloc(op->path.len + 1);
    n = entra_path_canonical(op->path, again);
    s = (entra_str_t) { n, again };

    if (!entra_str_eq(s, op->path) || entra_path_check(s) != NULL) {
        abort();
    }

    free(again);
}


static void
presets(const entra_operation_t *op)
{
    unsigned  read, secrets;

    read = entra_preset_match(ENTRA_PRESET_READ, op);
    secrets = entra_preset_match(ENTRA_PRESET_SECRETS, op);
    (void) entra_preset_match(ENTRA_PRESET_SCORE, op);
    (void) entra_preset_match(ENTRA_PRESET_ESCAPE, op);
    (void) entra_preset_match(ENTRA_PRESET_RUN, op);

    if (read == ENTRA_TRUE && secrets != ENTRA_FALSE) {
        abort();
    }
}


static void
pattern(const char *line, const entra_operation_t *op)
{
    unsigned                n;
    entra_err_t             err;
    entra_str_t             words[WORDS_MAX];
    entra_operation_list_t  list;

    memset(&list, 0, sizeof(list));
    entra_err_clear(&err);

    n = words_of(line, words);

    if (n && entra_operation_list_line(&list, words, n, &err) == 0
        && entra_operation_list_match(&list, op) == ENTRA_TRUE
        && op->ambiguous && list.patterns[0].kind != ENTRA_OPERATION_PRESET)
    {
        abort();
    }

    entra_operation_list_free(&list);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char               *text, *path, *line, *scratch, action[1024];
    size_t              len;
    entra_buf_t         out;
    entra_operation_t   op;

    text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';

    line = strchr(text, '\n');
    if (line) {
        *line++ = '\0';
    }

    path = strchr(text, ' ');
    if (path) {
        *path++ = '\0';
    }

    path = path ? path : text + strlen(text);
    len = strlen(path);
    scratch = malloc(entra_operation_scratch(len));

    entra_operation_init(&op, entra_str_c(text), entra_str_c(path), scratch);

    if (op.ambiguous == NULL) {
        canonical(&op);
    }

    presets(&op);
    pattern(line ? line : "", &op);

    /* also of paths that nobody checked */

    (void) entra_arm_action(entra_str("POST"), entra_str_c(path), action,
                            &len);

    entra_buf_init(&out, 1024);
    entra_operation_text(&op, &out);
    entra_buf_free(&out);

    free(scratch);
    free(text);

    return 0;
}
