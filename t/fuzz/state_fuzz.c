
/*
 * Copyright (C) nginx-entra authors
 *
 * What is kept: a state file, be it of tokens (the first byte is 0), the
 * record of a sign-in in it (1), or a session in the store.  What is read can
 * be written, and is the same when it is read again.
 */

#include <stdlib.h>
#include <string.h>

#include "entra_signed_in.h"
#include "entra_state_file.h"
#include "entra_store_file.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check_file(entra_str_t text)
{
    entra_str_t  key = entra_str("0123456789abcdef0123456789abcdef");
    entra_buf_t  sealed, plain;

    entra_buf_init(&sealed, ENTRA_STATE_MAX);
    entra_buf_init(&plain, ENTRA_STATE_MAX);

    /* nobody can make one without the key */

    if (entra_state_open(key, entra_str("owner"), text, &plain) == 0
        || entra_store_file_open(key, text, &plain) == 1)
    {
        abort();
    }

    if (entra_state_seal(key, entra_str("owner"), text, &sealed) == 0
        && (entra_state_open(key, entra_str("owner"), entra_buf_str(&sealed),
                             &plain) != 0
            || !entra_str_eq(entra_buf_str(&plain), text)))
    {
        abort();
    }

    entra_buf_free(&sealed);
    entra_buf_free(&plain);
}


static void
check_record(entra_str_t text)
{
    entra_buf_t        b;
    entra_signed_in_t  one, two;

    if (entra_signed_in_read(text, &one) != 0) {
        return;
    }

    entra_buf_init(&b, ENTRA_STATE_MAX * 8);

    if (entra_signed_in_write(&one, &b) != 0) {
        abort();
    }

    if (b.len <= ENTRA_STATE_MAX) {
        if (entra_signed_in_read(entra_buf_str(&b), &two) != 0
            || strcmp(one.id, two.id) != 0 || strcmp(one.user, two.user) != 0
            || strcmp(one.why, two.why) != 0 || one.since != two.since
            || !one.refresh_token != !two.refresh_token
            || (one.refresh_token
                && strcmp(one.refresh_token, two.refresh_token) != 0))
        {
            abort();
        }

        entra_signed_in_free(&two);
    }

    entra_signed_in_free(&one);
    entra_buf_free(&b);
}


static void
check_session(entra_str_t text)
{
    entra_buf_t      b;
    entra_session_t  one, two;

    if (entra_session_read(text, &one) != 0) {
        return;
    }

    entra_buf_init(&b, ENTRA_SESSION_BLOB_MAX);

    if (entra_session_write(&one, &b) != 0
        || entra_session_read(entra_buf_str(&b), &two) != 0
        || strcmp(one.state, two.state) != 0
        || strcmp(one.device_code, two.device_code) != 0
        || strcmp(one.text, two.text) != 0)
    {
        abort();
    }

    entra_buf_free(&b);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    entra_str_t  text;

    if (size == 0) {
        return 0;
    }

    text.data = (const char *) data + 1;
    text.len = size - 1;

    switch (data[0] % 3) {

    case 0:
        check_file(text);
        break;

    case 1:
        check_record(text);
        break;

    default:
        check_session(text);
    }

    return 0;
}
