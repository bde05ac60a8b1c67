
/*
 * Copyright (C) nginx-entra authors
 *
 * Addresses: nothing is accepted that the C library would read in another
 * way, and what is accepted is written so that it is read again.
 */

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "entra_addr.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char           copy[64], text[ENTRA_ADDR_TEXT_MAX];
    entra_str_t    s;
    entra_addr_t   addr, again;
    unsigned char  bytes[16];

    if (size >= sizeof(copy)) {
        size = sizeof(copy) - 1;
    }

    memcpy(copy, data, size);
    copy[size] = '\0';

    s.data = copy;
    s.len = size;

    if (entra_addr_parse(&addr, s) != 0) {
        return 0;
    }

    if (strlen(copy) != size) {
        abort();
    }

    if (inet_pton(AF_INET, copy, bytes) == 1) {
        entra_addr_v4(&again, bytes);

    } else if (inet_pton(AF_INET6, copy, bytes) == 1) {
        entra_addr_v6(&again, bytes);

    } else {
        abort();
    }

    if (!entra_addr_eq(&addr, &again)) {
        abort();
    }

    if (entra_addr_parse(&again, entra_str_c(entra_addr_text(&addr, text)))
        != 0 || !entra_addr_eq(&addr, &again))
    {
        abort();
    }

    return 0;
}
