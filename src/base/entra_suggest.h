
/*
 * Copyright (C) nginx-entra authors
 *
 * "did you mean": the known name that a word is a misspelling of.
 */

#ifndef ENTRA_SUGGEST_H
#define ENTRA_SUGGEST_H


#include "entra_str.h"


#define ENTRA_SUGGEST_MAX   64          /* bytes; longer ones are left out */
#define ENTRA_SUGGEST_TEXT  (ENTRA_SUGGEST_MAX + 32)


typedef struct entra_suggest_s {
    entra_str_t   word;                 /* borrowed */
    entra_str_t   name;                 /* the nearest one, borrowed; len 0 */
    unsigned      distance;             /* of it */
} entra_suggest_t;


/*
 * Names are offered one by one; name is the one with the fewest letters
 * inserted, left out, exchanged or swapped, as long as these are at most a
 * third of them (one of a short word, one more behind four that are right).
 * Of equally near ones the first.  Letter case is no difference.
 */
void entra_suggest_begin(entra_suggest_t *s, entra_str_t word);
void entra_suggest_offer(entra_suggest_t *s, entra_str_t name);

/* the same of a list that ends with NULL */
void entra_suggest_list(entra_suggest_t *s, const char *const *names);

/* appends ", did you mean "NAME"?"; 0: there is none, nothing is added */
int entra_suggest_add(const entra_suggest_t *s, entra_buf_t *out);

/* the same as text, or empty and 0 */
int entra_suggest_text(const entra_suggest_t *s,
    char text[ENTRA_SUGGEST_TEXT]);

/* the same of one list */
int entra_suggest(char text[ENTRA_SUGGEST_TEXT], entra_str_t word,
    const char *const *names);


#endif /* ENTRA_SUGGEST_H */
