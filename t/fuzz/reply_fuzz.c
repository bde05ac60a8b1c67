
/*
 * Copyright (C) nginx-entra authors
 *
 * The first byte chooses the status, the rest is the body of an answer: what
 * comes out is a good token or a classified error without control characters.
 */

#include <stdlib.h>
#include <string.h>

#include "entra_json.h"
#include "entra_reply.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check_text(const char *text)
{
    for ( /* void */ ; *text; text++) {
        if (*text < ' ' || *text > 0x7e) {
            abort();
        }
    }
}


/* no word that may be a JWT is repeated */

static void
check_words(const char *text)
{
    for ( /* void */ ; (text = strstr(text, "eyJ")) != NULL; text++) {
        if (entra_err_word(entra_str_c(text)) >= ENTRA_REPLY_TOKENISH) {
            abort();
        }
    }
}


static void
check_json(entra_str_t text)
{
    entra_buf_t    b;
    entra_json_t  *root, *again;

    root = entra_json_parse(text, 0, ENTRA_JSON_UNIQUE);
    if (root == NULL) {
        return;
    }

    entra_buf_init(&b, ENTRA_JSON_MAX);

    if (entra_json_print(root, &b) == 0) {
        again = entra_json_parse(entra_buf_str(&b), 0, ENTRA_JSON_UNIQUE);

        if (again == NULL) {
            abort();
        }

        if (entra_json_type(root) == ENTRA_JSON_IS_OBJECT
            && entra_json_merge(again, root) != 0)
        {
            abort();
        }

        entra_json_free(again);
    }

    entra_buf_free(&b);
    entra_json_free(root);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                 rc;
    char               *member;
    entra_err_t         err;
    entra_token_t       token;
    entra_http_reply_t  reply;

    static const int  statuses[] = { 200, 201, 400, 401, 403, 404, 429, 500,
                                     503, 0, 302 };

    if (size == 0) {
        return 0;
    }

    memset(&reply, 0, sizeof(entra_http_reply_t));
    reply.status = statuses[data[0] % (sizeof(statuses) / sizeof(int))];
    reply.body.data = (const char *) data + 1;
    reply.body.len = size - 1;
    reply.retry_after = -1;

    check_json(reply.body);

    entra_token_init(&token);
    entra_err_clear(&err);

    rc = entra_reply_token(&reply, "host", data[0] & 1, 1700000000, &token,
                           &err);

    if (rc == 0) {
        if (token.value == NULL || token.lifetime <= 0) {
            abort();
        }

        check_text(token.value);

    } else if (err.class == ENTRA_ERR_NONE || err.text[0] == '\0') {
        abort();
    }

    check_text(err.text);
    check_words(err.text);
    check_text(err.error);
    check_text(err.correlation_id);

    member = entra_reply_member(&reply, "refresh_token");
    entra_free_secret(member);
    entra_token_free(&token);

    return 0;
}
