
/*
 * Copyright (C) nginx-entra authors
 */

#include <string.h>

#include "entra_time.h"
#include "entra_time_window.h"


#define ENTRA_DAY_MINUTES   (24 * 60)
#define ENTRA_EPOCH_DAY     3                   /* a Thursday, Monday is 0 */


static const char *const  entra_days[] = {
    "mon", "tue", "wed", "thu", "fri", "sat", "sun"
};


/* n digits at *p, at most max; -1: not */

static int
entra_window_number(const char **p, const char *end, unsigned n, int max)
{
    int  value = 0;

    if (end - *p < (int) n) {
        return -1;
    }

    while (n--) {
        if (**p < '0' || **p > '9') {
            return -1;
        }

        value = value * 10 + (*(*p)++ - '0');
    }

    return value <= max ? value : -1;
}


static int
entra_window_char(const char **p, const char *end, char c)
{
    if (*p == end || **p != c) {
        return -1;
    }

    (*p)++;

    return 0;
}


/* "HH:MM" in minutes; 24:00 where the end of a day is meant */

static int
entra_window_clock(const char **p, const char *end, int last)
{
    int  hours, minutes;

    hours = entra_window_number(p, end, 2, 24);

    if (hours < 0 || entra_window_char(p, end, ':') != 0) {
        return -1;
    }

    minutes = entra_window_number(p, end, 2, 59);

    if (minutes < 0 || hours * 60 + minutes > last) {
        return -1;
    }

    return hours * 60 + minutes;
}


/* "+01:00", "-03:30", "UTC", "Z"; ISO 8601 knows up to a day, we: 14 hours */

static int
entra_window_offset(entra_str_t text, short *offset)
{
    int          minutes;
    const char  *p, *end;

    if (entra_str_eq_c(text, "UTC") || entra_str_eq_c(text, "Z")) {
        *offset = 0;
        return 0;
    }

    if (text.len != 6 || (text.data[0] != '+' && text.data[0] != '-')) {
        return -1;
    }

    p = text.data + 1;
    end = text.data + text.len;

    minutes = entra_window_clock(&p, end, 14 * 60);
    if (minutes < 0) {
        return -1;
    }

    *offset = (short) (text.data[0] == '-' ? -minutes : minutes);

    return 0;
}


static int
entra_window_day(entra_str_t name)
{
    int  i;

    for (i = 0; i < 7; i++) {
        if (entra_str_case_eq_c(name, entra_days[i])) {
            return i;
        }
    }

    return -1;
}


/* "mon" or "fri-mon" */

static int
entra_window_day_range(entra_str_t text, unsigned *days)
{
    int          first, last;
    const char  *dash;

    dash = text.len ? memchr(text.data, '-', text.len) : NULL;

    if (dash == NULL) {
        first = last = entra_window_day(text);

    } else {
        first = entra_window_day((entra_str_t) { (size_t) (dash - text.data),
                                               text.data });
        last = entra_window_day((entra_str_t) {
                   text.len - (size_t) (dash - text.data) - 1, dash + 1 });
    }

    if (first < 0 || last < 0) {
        return -1;
    }

    for ( ;; ) {
        *days |= 1u << first;

        if (first == last) {
            return 0;
        }

        first = (first + 1) % 7;
    }
}


static int
entra_window_days(entra_str_t text, unsigned char *mask)
{
    size_t       n;
    unsigned     days = 0;
    const char  *comma;

    for ( ;; ) {
        comma = text.len ? memchr(text.data, ',', text.len) : NULL;
        n = comma ? (size_t) (comma - text.data) : text.len;

        if (entra_window_day_range((entra_str_t) { n, text.data }, &days)
            != 0)
        {
            return -1;
        }

        if (comma == NULL) {
            *mask = (unsigned char) days;
            return 0;
        }

        text.data += n + 1;
        text.len -= n + 1;
    }
}


/* "HH:MM-HH:MM" */

static int
entra_window_span(entra_str_t text, entra_time_window_t *window)
{
    int          from, to;
    const char  *p, *end;

    p = text.data;
    end = p + text.len;

    from = entra_window_clock(&p, end, ENTRA_DAY_MINUTES - 1);

    if (from < 0 || entra_window_char(&p, end, '-') != 0) {
        return -1;
    }

    to = entra_window_clock(&p, end, ENTRA_DAY_MINUTES);

    if (to < 0 || p != end || from == to) {
        return -1;
    }

    window->from = (short) from;

    /* "22:00-00:00" ends with the day */

    window->to = (short) (to == 0 ? ENTRA_DAY_MINUTES : to);

    return 0;
}


static int
entra_time_window_words(entra_time_window_t *window, const entra_str_t *words,
    unsigned nwords)
{
    unsigned  i = 0;

    if (words[0].len && (words[0].data[0] | 0x20) >= 'a') {
        if (entra_window_days(words[i++], &window->days) != 0) {
            return -1;
        }
    }

    if (i == nwords || entra_window_span(words[i++], window) != 0) {
        return -1;
    }

    if (i < nwords && entra_window_offset(words[i++], &window->offset) != 0) {
        return -1;
    }

    return i == nwords ? 0 : -1;
}


int
entra_time_window_parse(entra_time_window_t *window, const entra_str_t *words,
    unsigned nwords, entra_err_t *err)
{
    memset(window, 0, sizeof(entra_time_window_t));
    window->days = 0x7f;

    if (nwords == 0 || entra_time_window_words(window, words, nwords) != 0) {
        return entra_err_set(err, ENTRA_ERR_CONFIG,
                             "a time is written [DAYS] HH:MM-HH:MM [OFFSET],"
                             " as in \"mon-fri 07:00-19:00 +01:00\" or"
                             " \"sat,sun 22:00-06:00\"; all day is"
                             " 00:00-24:00");
    }

    return 0;
}


int
entra_time_window_has(const entra_time_window_t *window, int64_t now)
{
    int64_t   minutes, days;
    unsigned  day, minute;

    /* floor, also before 1970 */

    minutes = now / 60 - (now % 60 < 0) + window->offset;
    days = minutes / ENTRA_DAY_MINUTES - (minutes % ENTRA_DAY_MINUTES < 0);

    minute = (unsigned) (minutes - days * ENTRA_DAY_MINUTES);
    day = (unsigned) ((days % 7 + 7 + ENTRA_EPOCH_DAY) % 7);

    if (window->from < window->to) {
        return (window->days >> day & 1) && minute >= (unsigned) window->from
               && minute < (unsigned) window->to;
    }

    if (minute >= (unsigned) window->from) {
        return window->days >> day & 1;
    }

    /* after midnight it is still the window of the day before */

    return minute < (unsigned) window->to
           && (window->days >> (day + 6) % 7 & 1);
}


static int
entra_window_month_days(int year, int month)
{
    static const unsigned char  days[] = {
        31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
    };

    if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)) {
        return 29;
    }

    return days[month - 1];
}


/* "HH:MM[:SS]" and the zone, up to the end */

static int
entra_window_of_day(const char *p, const char *end, int64_t *seconds)
{
    int    minutes, rest;
    short  offset;

    minutes = entra_window_clock(&p, end, ENTRA_DAY_MINUTES - 1);
    if (minutes < 0) {
        return -1;
    }

    rest = 0;

    if (p < end && *p == ':') {
        p++;

        rest = entra_window_number(&p, end, 2, 59);
        if (rest < 0) {
            return -1;
        }
    }

    if (entra_window_offset((entra_str_t) { (size_t) (end - p), p }, &offset)
        != 0)
    {
        return -1;
    }

    *seconds += ((int64_t) minutes - offset) * 60 + rest;

    return 0;
}


int
entra_time_moment(entra_str_t text, int64_t *seconds)
{
    int          year, month, day;
    const char  *p, *end;

    p = text.data;
    end = p + text.len;

    year = entra_window_number(&p, end, 4, 9999);

    if (year < 1970 || entra_window_char(&p, end, '-') != 0) {
        return -1;
    }

    month = entra_window_number(&p, end, 2, 12);

    if (month < 1 || entra_window_char(&p, end, '-') != 0) {
        return -1;
    }

    day = entra_window_number(&p, end, 2, entra_window_month_days(year, month));

    if (day < 1) {
        return -1;
    }

    *seconds = entra_time_days(year, month, day) * 86400;

    if (p == end) {
        return 0;
    }

    if (entra_window_char(&p, end, 'T') != 0) {
        return -1;
    }

    return entra_window_of_day(p, end, seconds);
}
