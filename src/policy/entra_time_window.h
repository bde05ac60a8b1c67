
/*
 * Copyright (C) nginx-entra authors
 *
 * Windows of time in a week, and dates.
 */

#ifndef ENTRA_TIME_WINDOW_H
#define ENTRA_TIME_WINDOW_H


#include "entra_err.h"


#define ENTRA_WEEK_MINUTES  (7 * 24 * 60)


/*
 * Minutes of the day, from "from" to before "to".  A window with to <= from
 * goes on after midnight, and belongs to the day on which it began.
 */

typedef struct {
    unsigned char  days;            /* mask, bit 0 is Monday */
    short          from;            /* 0 to 1439 */
    short          to;              /* 1 to 1440 */
    short          offset;          /* minutes east of UTC */
} entra_time_window_t;


/*
 * Words: [DAYS] HH:MM-HH:MM [+HH:MM | -HH:MM | UTC], where DAYS is "mon",
 * "mon-fri", "mon,wed,fri", also "fri-mon"; without it: every day.  Without an
 * offset: UTC.  24:00 is the end of the day.  There is no daylight saving
 * time: an offset is what it says.  0, or -1 and err.
 */
int entra_time_window_parse(entra_time_window_t *window,
    const entra_str_t *words, unsigned nwords, entra_err_t *err);

/* now: seconds since the epoch */
int entra_time_window_has(const entra_time_window_t *window, int64_t now);

/*
 * YYYY-MM-DD (its first second) or YYYY-MM-DDTHH:MM[:SS](Z | +HH:MM | -HH:MM)
 * as seconds since the epoch: 0, or -1.  Years 1970 to 9999.
 */
int entra_time_moment(entra_str_t text, int64_t *seconds);


#endif /* ENTRA_TIME_WINDOW_H */
