
/*
 * Copyright (C) nginx-entra authors
 *
 * Writing JSON, member by member.  Each writes a comma unless it is the first
 * in its object or array; name is NULL in an array.
 */

#ifndef ENTRA_JSON_WRITE_H
#define ENTRA_JSON_WRITE_H


#include "entra_str.h"


/* "{" or "["; the closing one is entra_buf_add_char()'s */
void entra_json_open(entra_buf_t *out, const char *name, char bracket);

void entra_json_add(entra_buf_t *out, const char *name, entra_str_t value);
void entra_json_add_c(entra_buf_t *out, const char *name, const char *value);
void entra_json_add_int(entra_buf_t *out, const char *name, int64_t value);
void entra_json_add_true(entra_buf_t *out, const char *name);

/* what is JSON already */
void entra_json_add_raw(entra_buf_t *out, const char *name, entra_str_t json);


#endif /* ENTRA_JSON_WRITE_H */
