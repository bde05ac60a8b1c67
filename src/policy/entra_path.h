
/*
 * Copyright (C) nginx-entra authors
 *
 * Paths of requests: which ones every server reads alike, and the forms of
 * them that are compared.  A path here is what stands in the request line
 * that the upstream gets, without the query string.
 */

#ifndef ENTRA_PATH_H
#define ENTRA_PATH_H


#include "entra_str.h"


/*
 * NULL when all servers read the path alike; else why not, as the end of the
 * sentence "the path ...".  What is refused: not beginning with "/", "//",
 * segments "." and "..", also with parameters, or that end in a dot or a
 * space (some servers cut them off), ";", "\", bytes that RFC 3986 does not
 * allow in a path, "%" without two digits, and encoded bytes that are
 * control characters, "/", "\", ".", "%", "#", "?", ";" or not UTF-8 (also
 * overlong), or a character that looks like "/", "\" or "." to servers which
 * map Unicode to ASCII.
 */
const char *entra_path_check(entra_str_t path);

/* of a request line, up to its query string */
const char *entra_path_check_target(entra_str_t target);

/*
 * Bytes of a request line up to its query string, if all of them are plain,
 * none is "%", and entra_path_check() has nothing against them: most are so,
 * which is soon seen; otherwise 0
 */
size_t entra_path_plain(entra_str_t target);

/*
 * The form that is matched (RFC 3986, section 6.2.2): %XX of unreserved
 * characters and of parentheses decoded, the digits of others in upper case.
 * Writes at most path.len bytes to out, returns how many.
 */
size_t entra_path_canonical(entra_str_t path, char *out);

/*
 * The form in which paths are equal that a server might take for equal: all
 * %XX decoded, ASCII in lower case, what folds to ASCII as that (full width,
 * the Kelvin sign, long s, dotless i), without a trailing slash.
 */
size_t entra_path_loose(entra_str_t path, char *out);

/* the same of one of which entra_path_plain() is known */
size_t entra_path_loose_plain(entra_str_t path, char *out);

/*
 * Does the path match the pattern?  By whole segments: "*" as a segment is
 * one that is not empty, as the last one any rest that is not empty.
 */
int entra_path_match(entra_str_t pattern, entra_str_t path);


#endif /* ENTRA_PATH_H */
