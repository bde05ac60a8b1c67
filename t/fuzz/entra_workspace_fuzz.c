
/*
 * Copyright (C) nginx-entra authors
 *
 * config.json, and paths of requests: what a workspace is made of can be put
 * into a path, lies in itself, and nothing ambiguous does.
 */

#include <stdlib.h>
#include <string.h>

#include "entra_workspace.h"


static int
fuzz_has(entra_str_t path, const char *bytes)
{
    size_t  i;

    for (i = 0; i < path.len; i++) {
        if (path.data[i] && strchr(bytes, path.data[i])) {
            return 1;
        }
    }

    return 0;
}


static void
fuzz_config(entra_str_t json)
{
    entra_err_t        err;
    entra_buf_t        path;
    entra_workspace_t  ws;

    entra_err_clear(&err);

    if (entra_workspace_parse(&ws, json, &err) != 0) {
        if (err.text[0] == '\0' || ws.name) {
            abort();
        }

        return;
    }

    entra_buf_init(&path, ENTRA_WORKSPACE_PATH_MAX);
    entra_workspace_path(&ws, &path);

    if (!entra_buf_ok(&path)
        || entra_workspace_match(&ws, entra_buf_str(&path))
           != ENTRA_WORKSPACE_SAME)
    {
        abort();
    }

    entra_buf_free(&path);
    entra_workspace_free(&ws);
}


int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);


int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    char               *copy;
    entra_str_t         text;
    entra_workspace_t   ws = { "s", "r", "w" };

    /* of its exact size, so that a read behind it is seen */

    copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    text.data = copy;
    text.len = size;

    fuzz_config(text);

    if (entra_workspace_match(&ws, text) == ENTRA_WORKSPACE_SAME
        && fuzz_has(text, "\\;?# \n\r\t"))
    {
        abort();
    }

    free(copy);

    return 0;
}
