
/*
 * Copyright (C) nginx-entra authors
 */

#include <string.h>

#include "entra_ascii.h"
#include "entra_time.h"


#define ENTRA_TIME_TEXT_MAX  64
#define ENTRA_TIME_RELATIVE  978307200          /* 2001-01-01 */
#define ENTRA_TIME_LAST      253402300799       /* 9999-12-31T23:59:59Z */


typedef struct {
    int   year;
    int   month;
    int   day;
    int   hour;
    int   minute;
    int   second;
    int   offset;                   /* minutes east of UTC */
} entra_date_t;


typedef struct {
    const char  *p;
    const char  *end;
} entra_scan_t;


int64_t
entra_time_days(int year, int month, int day)
{
    int64_t  y, era, yoe, doy;

    /* the year begins in March, so that its odd day is its last */

    y = month <= 2 ? year - 1 : year;
    era = (y >= 0 ? y : y - 399) / 400;
    yoe = y - era * 400;
    doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}


static int
entra_month_days(int year, int month)
{
    static const int  days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
                                 31 };

    if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)) {
        return 29;
    }

    return days[month - 1];
}


static int
entra_date_epoch(const entra_date_t *d, int64_t *at)
{
    int64_t  n;

    if (d->year < 1970 || d->year > 9999 || d->month < 1 || d->month > 12
        || d->day < 1 || d->day > entra_month_days(d->year, d->month)
        || d->hour > 23 || d->minute > 59 || d->second > 60)
    {
        return -1;
    }

    n = entra_time_days(d->year, d->month, d->day) * 86400
        + d->hour * 3600 + d->minute * 60 + d->second - d->offset * 60;

    if (n < 0 || n > ENTRA_TIME_LAST) {
        return -1;
    }

    *at = n;

    return 0;
}


static entra_scan_t
entra_scan(entra_str_t text)
{
    text = entra_str_trim(text);

    if (text.len == 0 || text.len > ENTRA_TIME_TEXT_MAX) {
        text = entra_str("");
    }

    return (entra_scan_t) { text.data, text.data + text.len };
}


/* min to max digits */

static int
entra_scan_digits(entra_scan_t *s, unsigned min, unsigned max, int *value)
{
    int       v = 0;
    unsigned  n = 0;

    while (n < max && s->p < s->end && entra_is_digit(*s->p)) {
        v = v * 10 + (*s->p++ - '0');
        n++;
    }

    *value = v;

    return n >= min ? 0 : -1;
}


static int
entra_scan_char(entra_scan_t *s, char c)
{
    if (s->p == s->end || *s->p != c) {
        return -1;
    }

    s->p++;

    return 0;
}


static int
entra_scan_word(entra_scan_t *s, const char *word)
{
    size_t  n = strlen(word);

    if ((size_t) (s->end - s->p) < n
        || !entra_str_case_eq_c((entra_str_t) { n, s->p }, word))
    {
        return -1;
    }

    s->p += n;

    return 0;
}


static int
entra_scan_clock(entra_scan_t *s, entra_date_t *d, unsigned min)
{
    if (entra_scan_digits(s, min, 2, &d->hour) != 0
        || entra_scan_char(s, ':') != 0
        || entra_scan_digits(s, 2, 2, &d->minute) != 0
        || entra_scan_char(s, ':') != 0
        || entra_scan_digits(s, 2, 2, &d->second) != 0)
    {
        return -1;
    }

    return 0;
}


/* ".123456": cut, not rounded */

static int
entra_scan_fraction(entra_scan_t *s)
{
    if (entra_scan_char(s, '.') != 0) {
        return 0;
    }

    if (s->p == s->end || !entra_is_digit(*s->p)) {
        return -1;
    }

    while (s->p < s->end && entra_is_digit(*s->p)) {
        s->p++;
    }

    return 0;
}


/* "Z", "+01:00", "+0100", " UTC" */

static int
entra_scan_zone(entra_scan_t *s, entra_date_t *d)
{
    int  sign, hours, minutes;

    if (entra_scan_word(s, "Z") == 0 || entra_scan_word(s, "GMT") == 0
        || entra_scan_word(s, "UTC") == 0)
    {
        return 0;
    }

    if (entra_scan_char(s, '+') == 0) {
        sign = 1;

    } else if (entra_scan_char(s, '-') == 0) {
        sign = -1;

    } else {
        return -1;
    }

    if (entra_scan_digits(s, 2, 2, &hours) != 0) {
        return -1;
    }

    (void) entra_scan_char(s, ':');

    if (entra_scan_digits(s, 2, 2, &minutes) != 0 || hours > 23
        || minutes > 59)
    {
        return -1;
    }

    d->offset = sign * (hours * 60 + minutes);

    return 0;
}


static int
entra_scan_iso(entra_scan_t *s, entra_date_t *d)
{
    if (entra_scan_digits(s, 4, 4, &d->year) != 0
        || entra_scan_char(s, '-') != 0
        || entra_scan_digits(s, 2, 2, &d->month) != 0
        || entra_scan_char(s, '-') != 0
        || entra_scan_digits(s, 2, 2, &d->day) != 0
        || (entra_scan_word(s, "T") != 0 && entra_scan_char(s, ' ') != 0)
        || entra_scan_clock(s, d, 2) != 0
        || entra_scan_fraction(s) != 0)
    {
        return -1;
    }

    return 0;
}


static int
entra_time_iso(entra_str_t text, int zone, int64_t *at)
{
    entra_date_t  d;
    entra_scan_t  s = entra_scan(text);

    memset(&d, 0, sizeof(entra_date_t));

    if (entra_scan_iso(&s, &d) != 0) {
        return -1;
    }

    if (zone || s.p < s.end) {
        (void) entra_scan_char(&s, ' ');

        if (entra_scan_zone(&s, &d) != 0) {
            return -1;
        }
    }

    return s.p == s.end ? entra_date_epoch(&d, at) : -1;
}


int
entra_time_rfc3339(entra_str_t text, int64_t *at)
{
    return entra_time_iso(text, 1, at);
}


static int
entra_scan_month(entra_scan_t *s, int *month)
{
    int  i;

    static const char  *const names[] = {
        "Jan", "Feb", "Mar", "Apr", "May", "Jun",
        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
    };

    for (i = 0; i < 12; i++) {
        if (entra_scan_word(s, names[i]) == 0) {
            *month = i + 1;
            return 0;
        }
    }

    return -1;
}


static void
entra_scan_letters(entra_scan_t *s)
{
    while (s->p < s->end && entra_is_alpha(*s->p)) {
        s->p++;
    }
}


/* "06 Nov 1994 08:49:37 GMT", "06-Nov-94 08:49:37 GMT" */

static int
entra_scan_imf(entra_scan_t *s, entra_date_t *d)
{
    char  c;

    if (entra_scan_digits(s, 1, 2, &d->day) != 0 || s->p == s->end) {
        return -1;
    }

    c = *s->p;

    if ((c != ' ' && c != '-')
        || entra_scan_char(s, c) != 0
        || entra_scan_month(s, &d->month) != 0
        || entra_scan_char(s, c) != 0
        || entra_scan_digits(s, c == ' ' ? 4 : 2, c == ' ' ? 4 : 2, &d->year)
           != 0
        || entra_scan_char(s, ' ') != 0
        || entra_scan_clock(s, d, 2) != 0
        || entra_scan_char(s, ' ') != 0)
    {
        return -1;
    }

    if (c == '-') {
        d->year += d->year < 70 ? 2000 : 1900;
    }

    return entra_scan_zone(s, d);
}


/* "Nov  6 08:49:37 1994" */

static int
entra_scan_asctime(entra_scan_t *s, entra_date_t *d)
{
    if (entra_scan_month(s, &d->month) != 0
        || entra_scan_char(s, ' ') != 0)
    {
        return -1;
    }

    (void) entra_scan_char(s, ' ');

    if (entra_scan_digits(s, 1, 2, &d->day) != 0
        || entra_scan_char(s, ' ') != 0
        || entra_scan_clock(s, d, 2) != 0
        || entra_scan_char(s, ' ') != 0)
    {
        return -1;
    }

    return entra_scan_digits(s, 4, 4, &d->year);
}


static int
entra_time_http(entra_str_t text, int64_t *at)
{
    int           rc;
    entra_date_t  d;
    entra_scan_t  s = entra_scan(text);

    memset(&d, 0, sizeof(entra_date_t));

    /* the day of the week is not looked at */

    entra_scan_letters(&s);

    if (entra_scan_char(&s, ',') == 0) {
        rc = entra_scan_char(&s, ' ') != 0 ? -1 : entra_scan_imf(&s, &d);

    } else {
        rc = entra_scan_char(&s, ' ') != 0 ? -1 : entra_scan_asctime(&s, &d);
    }

    return rc == 0 && s.p == s.end ? entra_date_epoch(&d, at) : -1;
}


/* " AM", " PM", or nothing */

static int
entra_scan_half(entra_scan_t *s, entra_date_t *d)
{
    int           pm;
    entra_scan_t  at = *s;

    if (entra_scan_char(&at, ' ') != 0) {
        return 0;
    }

    pm = entra_scan_word(&at, "PM") == 0;

    if (!pm && entra_scan_word(&at, "AM") != 0) {
        return 0;
    }

    if (d->hour < 1 || d->hour > 12) {
        return -1;
    }

    d->hour = d->hour % 12 + (pm ? 12 : 0);
    *s = at;

    return 0;
}


/* App Service's old API: "06/20/2019 02:57:58 +00:00" and with AM and PM */

static int
entra_time_us(entra_str_t text, int64_t *at)
{
    entra_date_t  d;
    entra_scan_t  s = entra_scan(text);

    memset(&d, 0, sizeof(entra_date_t));

    if (entra_scan_digits(&s, 1, 2, &d.month) != 0
        || entra_scan_char(&s, '/') != 0
        || entra_scan_digits(&s, 1, 2, &d.day) != 0
        || entra_scan_char(&s, '/') != 0
        || entra_scan_digits(&s, 4, 4, &d.year) != 0
        || entra_scan_char(&s, ' ') != 0
        || entra_scan_clock(&s, &d, 1) != 0
        || entra_scan_half(&s, &d) != 0)
    {
        return -1;
    }

    if (s.p < s.end
        && (entra_scan_char(&s, ' ') != 0 || entra_scan_zone(&s, &d) != 0))
    {
        return -1;
    }

    return s.p == s.end ? entra_date_epoch(&d, at) : -1;
}


static int
entra_time_number(entra_str_t text, int64_t *at)
{
    entra_str_t   whole;
    entra_scan_t  s = entra_scan(text);

    whole.data = s.p;

    while (s.p < s.end && entra_is_digit(*s.p)) {
        s.p++;
    }

    whole.len = (size_t) (s.p - whole.data);

    if (entra_scan_fraction(&s) != 0 || s.p != s.end) {
        return -1;
    }

    return entra_str_int(whole, at);
}


int
entra_time_parse(entra_str_t text, int64_t *at)
{
    if (entra_time_number(text, at) == 0) {
        return *at <= ENTRA_TIME_LAST ? 0 : -1;
    }

    if (entra_time_iso(text, 0, at) == 0
        || entra_time_us(text, at) == 0
        || entra_time_http(text, at) == 0)
    {
        return 0;
    }

    return -1;
}


int
entra_time_expiry(entra_str_t text, int64_t now, int64_t *at)
{
    if (entra_time_parse(text, at) != 0) {
        return -1;
    }

    if (*at < ENTRA_TIME_RELATIVE && entra_time_number(text, at) == 0) {
        *at += now;
    }

    return 0;
}


int64_t
entra_time_retry_after(entra_str_t text, int64_t now)
{
    int64_t  at;

    text = entra_str_trim(text);

    if (entra_time_number(text, &at) == 0) {
        return at <= ENTRA_TIME_LAST ? at : -1;
    }

    if (entra_time_http(text, &at) == 0
        || entra_time_rfc3339(text, &at) == 0)
    {
        return at > now ? at - now : 0;
    }

    return -1;
}


void
entra_time_format(int64_t at, entra_buf_t *out)
{
    int64_t  days, era, doe, yoe, doy, mp, year, seconds;

    if (at < 0 || at > ENTRA_TIME_LAST) {
        at = at < 0 ? 0 : ENTRA_TIME_LAST;
    }

    seconds = at % 86400;
    days = at / 86400 + 719468;

    era = days / 146097;
    doe = days - era * 146097;
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;
    year = yoe + era * 400 + (mp >= 10);

    entra_buf_addf(out, "%04d-%02d-%02dT%02d:%02d:%02dZ", (int) year,
                   (int) (mp < 10 ? mp + 3 : mp - 9),
                   (int) (doy - (153 * mp + 2) / 5 + 1),
                   (int) (seconds / 3600), (int) (seconds / 60 % 60),
                   (int) (seconds % 60));
}
