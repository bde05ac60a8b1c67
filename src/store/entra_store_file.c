
/*
 * Copyright (C) nginx-entra authors
 */

#include <string.h>

#include <openssl/rand.h>

#include "entra_state_file.h"
#include "entra_store_copy.h"
#include "entra_store_file.h"


/* the number is that of ENTRA_STORE_COPY_VERSION */
#define ENTRA_STORE_FILE_NAME   "entra-tokens "
#define ENTRA_STORE_FILE_MAGIC  ENTRA_STORE_FILE_NAME "1\n"

/* what is authenticated with a frame: id, number, version, last */
#define ENTRA_STORE_FILE_OWNER  (ENTRA_STORE_FILE_ID + 6)


static entra_str_t entra_store_file_owner(const entra_store_file_t *file,
    int last, char *owner);
static int entra_store_file_frame(entra_store_file_t *file, entra_str_t plain,
    int last, entra_buf_t *out);
static int entra_store_file_next(entra_store_file_t *file, entra_str_t *text,
    entra_buf_t *frame);


int
entra_store_file_begin(entra_store_file_t *file, entra_str_t key,
    entra_buf_t *out)
{
    file->key = key;
    file->frames = 0;

    if (RAND_bytes(file->id, ENTRA_STORE_FILE_ID) != 1) {
        return -1;
    }

    entra_buf_add_c(out, ENTRA_STORE_FILE_MAGIC);
    entra_buf_add(out, file->id, ENTRA_STORE_FILE_ID);

    return entra_buf_ok(out) ? 0 : -1;
}


static entra_str_t
entra_store_file_owner(const entra_store_file_t *file, int last, char *owner)
{
    char  *p = owner;

    memcpy(p, file->id, ENTRA_STORE_FILE_ID);
    p += ENTRA_STORE_FILE_ID;

    *p++ = (char) (file->frames >> 24);
    *p++ = (char) (file->frames >> 16);
    *p++ = (char) (file->frames >> 8);
    *p++ = (char) file->frames;
    *p++ = ENTRA_STORE_COPY_VERSION;
    *p = last != 0;

    return (entra_str_t) { ENTRA_STORE_FILE_OWNER, owner };
}


int
entra_store_file_seal(entra_store_file_t *file, entra_buf_t *plain, int last,
    entra_buf_t *out)
{
    int          end, rc;
    entra_str_t  rest, frame;
    entra_buf_t  left;

    if (!entra_buf_ok(plain)) {
        return -1;
    }

    rc = 0;
    rest = entra_buf_str(plain);

    while (rc == 0 && (rest.len > ENTRA_STORE_FILE_FRAME || last)) {
        frame = rest;
        end = rest.len <= ENTRA_STORE_FILE_FRAME;

        if (!end) {
            frame.len = ENTRA_STORE_FILE_FRAME;
        }

        rc = entra_store_file_frame(file, frame, end, out);
        rest.data += frame.len;
        rest.len -= frame.len;

        if (end) {
            break;
        }
    }

    entra_buf_init(&left, plain->max);
    entra_buf_add_str(&left, rest);
    entra_buf_free(plain);
    *plain = left;

    return rc == 0 && entra_buf_ok(plain) && entra_buf_ok(out) ? 0 : -1;
}


/* no frame is empty: its first byte is of no meaning */

static int
entra_store_file_frame(entra_store_file_t *file, entra_str_t plain, int last,
    entra_buf_t *out)
{
    int          rc;
    char         owner[ENTRA_STORE_FILE_OWNER];
    uint32_t     len;
    entra_buf_t  text, sealed;

    entra_buf_init(&text, ENTRA_STATE_MAX);
    entra_buf_init(&sealed, ENTRA_STATE_MAX);

    entra_buf_add_char(&text, '\0');
    entra_buf_add_str(&text, plain);

    rc = entra_state_seal(file->key,
                          entra_store_file_owner(file, last, owner),
                          entra_buf_str(&text), &sealed);

    len = sealed.len;
    entra_buf_add(out, &len, sizeof(len));
    entra_buf_add_str(out, entra_buf_str(&sealed));
    file->frames++;

    entra_buf_free(&text);
    entra_buf_free(&sealed);

    return rc;
}


int
entra_store_file_open(entra_str_t key, entra_str_t text, entra_buf_t *plain)
{
    int                  rc;
    entra_buf_t          frame;
    entra_store_file_t   file;

    if (!entra_str_starts(text, ENTRA_STORE_FILE_MAGIC)) {
        return entra_str_starts(text, ENTRA_STORE_FILE_NAME) ? 0 : -1;
    }

    text.data += sizeof(ENTRA_STORE_FILE_MAGIC) - 1;
    text.len -= sizeof(ENTRA_STORE_FILE_MAGIC) - 1;

    if (text.len < ENTRA_STORE_FILE_ID) {
        return -1;
    }

    file.key = key;
    file.frames = 0;
    memcpy(file.id, text.data, ENTRA_STORE_FILE_ID);

    text.data += ENTRA_STORE_FILE_ID;
    text.len -= ENTRA_STORE_FILE_ID;

    entra_buf_init(&frame, ENTRA_STATE_MAX);

    do {
        rc = entra_store_file_next(&file, &text, &frame);

        if (rc == 0) {
            entra_buf_add(plain, frame.data + 1, frame.len - 1);
        }

    } while (rc == 0 && text.len);

    entra_buf_free(&frame);

    return rc == 0 && entra_buf_ok(plain) ? 1 : -1;
}


/* the one that nothing comes behind has to be the last */

static int
entra_store_file_next(entra_store_file_t *file, entra_str_t *text,
    entra_buf_t *frame)
{
    char         owner[ENTRA_STORE_FILE_OWNER];
    uint32_t     len;
    entra_str_t  sealed;

    if (text->len < sizeof(len)) {
        return -1;
    }

    memcpy(&len, text->data, sizeof(len));
    text->data += sizeof(len);
    text->len -= sizeof(len);

    if (len > text->len) {
        return -1;
    }

    sealed = (entra_str_t) { len, text->data };
    text->data += len;
    text->len -= len;

    entra_buf_reset(frame);

    if (entra_state_open(file->key,
                         entra_store_file_owner(file, text->len == 0, owner),
                         sealed, frame)
        != 0)
    {
        return -1;
    }

    file->frames++;

    return 0;
}
