
/*
 * Copyright (C) nginx-entra authors
 *
 * Three-valued logic (Kleene), as intervals: from "as false as it can be" to
 * "as true as it can be".  A value that is known, or that is unknown and
 * counts against the caller, has both ends equal.  One that the question
 * "could this still be allowed?" leaves open has them apart.
 */

#ifndef ENTRA_TRUTH_H
#define ENTRA_TRUTH_H


enum {
    ENTRA_FALSE = 0,
    ENTRA_UNKNOWN = 1,
    ENTRA_TRUE = 2
};


typedef struct {
    unsigned char  lo;
    unsigned char  hi;
} entra_truth_t;


/*
 * What a pass of the evaluation leaves open, a mask.  With none of them an
 * interval never opens, and all is plain Kleene logic.
 */

#define ENTRA_OPEN_OURS         0x01    /* what the gateway itself lacks */
#define ENTRA_OPEN_OPERATION    0x02    /* not known yet */
#define ENTRA_OPEN_CERTIFICATE  0x04    /* not presented */
#define ENTRA_OPEN_TOKEN        0x08    /* not presented */
#define ENTRA_OPEN_ACRS         0x10    /* of a token that can be stepped up */


static inline entra_truth_t
entra_truth(unsigned value)
{
    return (entra_truth_t) { (unsigned char) value, (unsigned char) value };
}


static inline entra_truth_t
entra_truth_bool(int yes)
{
    return entra_truth(yes ? ENTRA_TRUE : ENTRA_FALSE);
}


/* value, unless one of the bits of mask is open */

static inline entra_truth_t
entra_truth_open(unsigned value, unsigned mask, unsigned open)
{
    if (mask & open) {
        return (entra_truth_t) { ENTRA_FALSE, ENTRA_TRUE };
    }

    return entra_truth(value);
}


static inline entra_truth_t
entra_truth_and(entra_truth_t a, entra_truth_t b)
{
    return (entra_truth_t) { a.lo < b.lo ? a.lo : b.lo,
                             a.hi < b.hi ? a.hi : b.hi };
}


static inline entra_truth_t
entra_truth_or(entra_truth_t a, entra_truth_t b)
{
    return (entra_truth_t) { a.lo > b.lo ? a.lo : b.lo,
                             a.hi > b.hi ? a.hi : b.hi };
}


static inline entra_truth_t
entra_truth_not(entra_truth_t a)
{
    return (entra_truth_t) { (unsigned char) (ENTRA_TRUE - a.hi),
                             (unsigned char) (ENTRA_TRUE - a.lo) };
}


#endif /* ENTRA_TRUTH_H */
