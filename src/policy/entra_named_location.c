
/*
 * Copyright (C) nginx-entra authors
 */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entra_enc.h"
#include "entra_named_location.h"


void
entra_named_location_free(entra_named_location_t *location)
{
    unsigned  i;

    for (i = 0; i < location->nfiles; i++) {
        entra_file_free(&location->files[i].file);
        entra_cidr_set_free(&location->files[i].set);
        entra_cidr_set_free(&location->files[i].load.set);
        free(location->files[i].select);
    }

    free(location->files);
    free(location->name);
    entra_cidr_set_free(&location->own);
    entra_cidr_set_free(&location->set);

    memset(location, 0, sizeof(entra_named_location_t));
}


static const entra_file_want_t  entra_location_want = {
    .form = ENTRA_FORM_LIST,
    .what = "a CIDR a line, or named locations of Microsoft Graph",
    .make = "az rest --url https://graph.microsoft.com/v1.0/identity/"
            "conditionalAccess/namedLocations > FILE",
    .pem = "certificates are conditions of \"entra_caller\""
};


static int
entra_named_location_file(entra_named_location_t *location,
    const entra_str_t *words, unsigned nwords, entra_err_t *err)
{
    int                     rc;
    char                   *path;
    entra_str_t             select;
    entra_location_file_t  *files, *file;

    select = entra_str_null;

    if (nwords == 3 && entra_str_starts(words[2], "display_name=")) {
        select.data = words[2].data + sizeof("display_name=") - 1;
        select.len = words[2].len - (sizeof("display_name=") - 1);
    }

    if (nwords < 2 || words[1].len == 0 || (nwords > 2 && select.len == 0)) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "write \"file PATH\", or \"file PATH"
                             " display_name=NAME\" for one of several"
                             " locations in a list of Microsoft Graph");
    }

    if (location->nfiles == ENTRA_LOCATION_FILES_MAX) {
        return entra_err_set(err, ENTRA_ERR_CONFIG, "more than %u files",
                             ENTRA_LOCATION_FILES_MAX);
    }

    files = realloc(location->files, (location->nfiles + 1)
                                     * sizeof(entra_location_file_t));
    if (files == NULL) {
        return entra_err_no_memory(err);
    }

    location->files = files;
    file = &files[location->nfiles];
    memset(file, 0, sizeof(entra_location_file_t));
    entra_cidr_set_init(&file->set);

    path = entra_str_dup(words[1]);
    file->select = select.len ? entra_str_dup(select) : NULL;

    rc = path && (select.len == 0 || file->select)
         && entra_file_init(&file->file, path, ENTRA_LOCATION_FILE_MAX) == 0
         ? 0 : -1;

    free(path);

    if (rc != 0) {
        free(file->select);
        return entra_err_no_memory(err);
    }

    file->file.patient = 1;
    file->file.want = &entra_location_want;
    location->nfiles++;

    return 0;
}


int
entra_named_location_line(entra_named_location_t *location,
    const entra_str_t *words, unsigned nwords, entra_err_t *err)
{
    unsigned  i;

    if (entra_str_eq_c(words[0], "file")) {
        return entra_named_location_file(location, words, nwords, err);
    }

    for (i = 0; i < nwords; i++) {

        if (entra_str_eq_c(words[i], "unix")) {
            location->own.unix_socket = 1;

        } else if (entra_cidr_set_add(&location->own, words[i], err) != 0) {
            return -1;
        }
    }

    return 0;
}


/* 2: not all of it yet; 1: other ranges; 0: as before; -1: a bad file */

static int
entra_location_file_refresh(entra_location_file_t *file, unsigned lines,
    entra_err_t *err)
{
    int  rc;

    if (!file->loading) {
        rc = entra_file_refresh(&file->file, err);

        if (rc != 1) {
            return rc;
        }

        memset(&file->load, 0, sizeof(entra_cidr_load_t));
        file->loading = 1;
    }

    rc = entra_cidr_list_part(&file->load,
                              entra_buf_str(&file->file.content),
                              file->file.path, file->select, lines, err);
    if (rc == 1) {
        return 2;
    }

    file->loading = 0;

    if (rc != 0) {
        entra_cidr_set_free(&file->load.set);
        return -1;
    }

    entra_cidr_set_free(&file->set);
    file->set = file->load.set;
    entra_cidr_set_init(&file->load.set);
    file->loaded = 1;

    (void) entra_sha256(entra_buf_str(&file->file.content), file->sha256);

    return 1;
}


/* one set of all: the files' and the block's own */

static int
entra_named_location_join(entra_named_location_t *location, int64_t now,
    entra_err_t *err)
{
    unsigned          i, incomplete;
    entra_cidr_set_t  all;

    entra_cidr_set_init(&all);
    incomplete = 0;

    /* nothing to join it with, and a list may be long */

    if (location->nfiles == 1 && entra_cidr_set_empty(&location->own)) {
        all = location->files[0].set;
        entra_cidr_set_init(&location->files[0].set);
        goto done;
    }

    if (entra_cidr_set_add_set(&all, &location->own, err) != 0) {
        goto failed;
    }

    for (i = 0; i < location->nfiles; i++) {

        if (!location->files[i].loaded) {
            incomplete = 1;

        } else if (entra_cidr_set_add_set(&all, &location->files[i].set, err)
                   != 0)
        {
            goto failed;
        }
    }

    if (entra_cidr_set_seal(&all) != 0) {
        (void) entra_err_no_memory(err);
        goto failed;
    }

done:

    entra_cidr_set_free(&location->set);
    location->set = all;
    location->incomplete = incomplete;
    location->loaded_at = now;

    return 0;

failed:

    entra_cidr_set_free(&all);

    return -1;
}


static void
entra_named_location_digest(entra_named_location_t *location)
{
    unsigned       i;
    unsigned char  all[ENTRA_LOCATION_FILES_MAX * 32];

    if (location->nfiles == 1) {
        memcpy(location->sha256, location->files[0].sha256, 32);
        return;
    }

    for (i = 0; i < location->nfiles; i++) {
        memcpy(all + 32 * i, location->files[i].sha256, 32);
    }

    if (location->nfiles) {
        (void) entra_sha256((entra_str_t) { 32 * (size_t) location->nfiles,
                                            (const char *) all },
                            location->sha256);
    }
}


int
entra_named_location_done(entra_named_location_t *location, int64_t now,
    entra_err_t *err)
{
    unsigned  i;

    if (location->own.nranges == 0 && !location->own.unix_socket
        && location->nfiles == 0)
    {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "an empty list of addresses: write a CIDR, unix"
                             " or file PATH");
    }

    if (entra_cidr_set_seal(&location->own) != 0) {
        return entra_err_no_memory(err);
    }

    for (i = 0; i < location->nfiles; i++) {
        if (entra_location_file_refresh(&location->files[i], UINT_MAX, err)
            != 1)
        {
            return -1;
        }
    }

    entra_named_location_digest(location);

    return entra_named_location_join(location, now, err);
}


/* files that could not be opened when they were looked at last */

static unsigned
entra_named_location_unreadable(const entra_named_location_t *location)
{
    unsigned  i, n;

    n = 0;

    for (i = 0; i < location->nfiles; i++) {
        n += location->files[i].file.size < 0;
    }

    return n;
}


int
entra_named_location_watch(entra_named_location_t *location, int64_t now,
    entra_err_t *err)
{
    int                     rc, changed, failed;
    unsigned                i, unreadable, busy;
    entra_err_t             one;
    entra_location_file_t  *file;

    changed = failed = 0;
    busy = location->busy;
    location->busy = 0;
    unreadable = entra_named_location_unreadable(location);

    for (i = 0; i < location->nfiles; i++) {
        file = &location->files[i];

        /*
         * only files that are half read: the others were looked at moments ago
         */

        if (busy && !file->loading) {
            continue;
        }

        entra_err_clear(&one);
        rc = entra_location_file_refresh(file, ENTRA_LOCATION_LINES, &one);

        if (rc == 2) {
            location->busy = 1;

        } else if (rc == 1) {
            changed = 1;

        } else if (rc == -1) {
            location->failures++;
            failed = 1;
            *err = one;
        }
    }

    if (changed) {
        entra_named_location_digest(location);

        if (entra_named_location_join(location, now, &one) != 0) {
            failed = 1;
            *err = one;
        }
    }

    if (failed) {
        (void) snprintf(location->error, sizeof(location->error), "%.255s",
                        err->text);
        return -1;
    }

    /* back again, with what it held before: that is no change */

    if (changed
        || (unreadable && !entra_named_location_unreadable(location)))
    {
        location->error[0] = '\0';
    }

    return changed;
}


size_t
entra_named_location_entries(const entra_named_location_t *location)
{
    return location->set.entries;
}


int
entra_named_location_ipv4_only(const entra_named_location_t *location)
{
    return location->set.nv4 > 0 && location->set.nv6 == 0;
}
