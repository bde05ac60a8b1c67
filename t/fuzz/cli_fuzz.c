
/*
 * Copyright (C) nginx-entra authors
 *
 * What a command line tool writes: the first byte chooses tool, exit code and
 * whether it came on stdout or stderr.  What comes out is a good token or a
 * classified error without control characters and without long words.
 */

#include <stdlib.h>
#include <string.h>

#include "entra_cli.h"
#include "entra_credential_types.h"
#include "entra_env.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static int64_t
fuzz_wall(void *data)
{
    return 1700000000;
}


static void
check_text(const char *text)
{
    size_t  n;

    for ( /* void */ ; *text; text += n ? n : 1) {
        if (*text < ' ' || *text > 0x7e) {
            abort();
        }

        n = entra_err_word(entra_str_c(text));

        if (n >= ENTRA_CLI_WORD) {
            abort();
        }
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    entra_env_t             *env;
    entra_err_t              err;
    entra_str_t              words[2];
    entra_next_e             next;
    entra_platform_t         platform;
    entra_acquire_t          a;
    entra_credential_t      *c;
    entra_process_result_t   result;

    static const char  *const types[] = {
        "azure_cli", "azure_developer_cli", "azure_powershell"
    };

    if (size == 0 || size > ENTRA_PROCESS_OUT_MAX) {
        return 0;
    }

    entra_err_clear(&err);
    env = entra_env_create(NULL, 0);
    c = entra_credential_create(
            entra_credential_type(entra_str_c(types[data[0] % 3])),
            entra_str("fuzz"), env);

    words[0] = entra_str("executable");
    words[1] = entra_str("/bin/true");

    if (entra_credential_param(c, words, 2, &err) != 0
        || entra_credential_init(c, &err) != 0)
    {
        abort();
    }

    memset(&platform, 0, sizeof(entra_platform_t));
    platform.wall = fuzz_wall;

    memset(&result, 0, sizeof(entra_process_result_t));
    result.started = 1;
    result.status = data[0] & 4 ? 1 : 0;

    if (data[0] & 8) {
        result.err.data = (const char *) data + 1;
        result.err.len = size - 1;

    } else {
        result.out.data = (const char *) data + 1;
        result.out.len = size - 1;
    }

    memset(&a, 0, sizeof(entra_acquire_t));
    entra_err_clear(&a.err);
    a.credential = c;
    a.platform = &platform;
    a.step = 1;
    a.result = &result;

    next = c->type->step(&a);

    if (next == ENTRA_NEXT_DONE) {
        if (a.token.value == NULL || a.token.lifetime <= 0) {
            abort();
        }

    } else if (next != ENTRA_NEXT_FAILED || a.err.class == ENTRA_ERR_NONE
               || a.err.text[0] == '\0')
    {
        abort();
    }

    check_text(a.err.text);
    entra_token_free(&a.token);
    entra_credential_free(c);
    entra_env_free(env);

    return 0;
}
