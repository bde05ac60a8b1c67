
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <string.h>

#include "entra_claims.h"


static void
entra_claims_list_free(entra_claims_list_t *list)
{
    unsigned  i;

    for (i = 0; i < list->n; i++) {
        free(list->items[i]);
    }

    free(list->items);
}


void
entra_claims_free(entra_claims_t *claims)
{
    free(claims->iss);
    free(claims->aud);
    free(claims->tid);
    free(claims->oid);
    free(claims->sub);
    free(claims->appid);
    free(claims->appidacr);
    free(claims->idtyp);
    free(claims->ver);
    free(claims->uti);

    entra_claims_list_free(&claims->roles);
    entra_claims_list_free(&claims->groups);
    entra_claims_list_free(&claims->scp);
    entra_claims_list_free(&claims->amr);
    entra_claims_list_free(&claims->acrs);
    entra_claims_list_free(&claims->wids);

    memset(claims, 0, sizeof(entra_claims_t));
}


int
entra_claims_add(entra_claims_list_t *list, entra_str_t value)
{
    char  *copy, **items;

    if (list->n == ENTRA_CLAIMS_LIST_MAX) {
        return -1;
    }

    /* grows when its length is a power of two */

    if ((list->n & (list->n - 1)) == 0) {
        items = realloc(list->items, (list->n ? 2 * list->n : 1)
                                     * sizeof(char *));
        if (items == NULL) {
            return -1;
        }

        list->items = items;
    }

    copy = entra_str_dup(value);
    if (copy == NULL) {
        return -1;
    }

    list->items[list->n++] = copy;

    return 0;
}


static size_t
entra_claims_text_size(const char *text)
{
    /* 16: what malloc() adds, roughly */

    return text ? strlen(text) + 1 + 16 : 0;
}


static size_t
entra_claims_list_size(const entra_claims_list_t *list)
{
    size_t    size;
    unsigned  i;

    size = list->n * sizeof(char *);

    for (i = 0; i < list->n; i++) {
        size += entra_claims_text_size(list->items[i]);
    }

    return size;
}


size_t
entra_claims_size(const entra_claims_t *claims)
{
    return sizeof(entra_claims_t)
           + entra_claims_text_size(claims->iss)
           + entra_claims_text_size(claims->aud)
           + entra_claims_text_size(claims->tid)
           + entra_claims_text_size(claims->oid)
           + entra_claims_text_size(claims->sub)
           + entra_claims_text_size(claims->appid)
           + entra_claims_text_size(claims->appidacr)
           + entra_claims_text_size(claims->idtyp)
           + entra_claims_text_size(claims->ver)
           + entra_claims_text_size(claims->uti)
           + entra_claims_list_size(&claims->roles)
           + entra_claims_list_size(&claims->groups)
           + entra_claims_list_size(&claims->scp)
           + entra_claims_list_size(&claims->amr)
           + entra_claims_list_size(&claims->acrs)
           + entra_claims_list_size(&claims->wids);
}
