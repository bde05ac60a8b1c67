
/*
 * Copyright (C) nginx-entra authors
 */

#include <stdlib.h>
#include <time.h>

#include "entra_time.h"
#include "tap.h"


#define NOW  ((int64_t) 1700000000)


static int64_t
parse(const char *text)
{
    int64_t  at;

    return entra_time_parse(entra_str_c(text), &at) == 0 ? at : -1;
}


static int64_t
expiry(const char *text)
{
    int64_t  at;

    return entra_time_expiry(entra_str_c(text), NOW, &at) == 0 ? at : -1;
}


static void
test_parse(void)
{
    ok(parse("1578523094") == 1578523094, "number");
    ok(parse("1578523094.75") == 1578523094, "with a fraction");
    ok(parse(" 1578523094\n") == 1578523094, "white space around");
    ok(parse("0") == 0, "0");
    ok(parse("2026-08-21T07:00:00Z") == 1787295600, "RFC 3339");
    ok(parse("2026-08-21t07:00:00z") == 1787295600, "in small letters");
    ok(parse("2026-08-21T07:00:00.1234567+00:00") == 1787295600, "fraction");
    ok(parse("2026-08-21T09:30:00+02:30") == 1787295600, "east");
    ok(parse("2026-08-21T02:00:00-0500") == 1787295600, "west");
    ok(parse("2026-08-21 07:00:00.123456") == 1787295600, "no zone is UTC");
    ok(parse("06/20/2019 02:57:58 +00:00") == 1560999478, "App Service");
    ok(parse("1/16/2020 5:24:12 AM +00:00") == 1579152252, "on Windows");
    ok(parse("1/16/2020 5:24:12 PM +00:00") == 1579195452, "PM");
    ok(parse("1/16/2020 12:24:12 AM +00:00") == 1579134252, "midnight");
    ok(parse("1/16/2020 12:24:12 PM +00:00") == 1579177452, "noon");
    ok(parse("06/20/2019 02:57:58") == 1560999478, "no zone");
    ok(parse("Sun, 06 Nov 1994 08:49:37 GMT") == 784111777, "RFC 1123");
    ok(parse("Sunday, 06-Nov-94 08:49:37 GMT") == 784111777, "RFC 850");
    ok(parse("Sun Nov  6 08:49:37 1994") == 784111777, "asctime");
    ok(parse("2024-02-29T00:00:00Z") == 1709164800, "leap day");
    ok(parse("9999-12-31T23:59:59Z") == 253402300799, "the last second");

    ok(parse("") == -1, "empty");
    ok(parse("-1") == -1, "negative");
    ok(parse("99999999999999999999") == -1, "overflow");
    ok(parse("9999999999999") == -1, "after the year 9999");
    ok(parse("1e9") == -1, "exponent");
    ok(parse("5.") == -1, "no fraction");
    ok(parse("2026-02-29T00:00:00Z") == -1, "no such day");
    ok(parse("2026-13-01T00:00:00Z") == -1, "no such month");
    ok(parse("2026-01-01T24:00:00Z") == -1, "no such hour");
    ok(parse("2026-01-01T00:60:00Z") == -1, "no such minute");
    ok(parse("1969-12-31T23:59:59Z") == -1, "before the epoch");
    ok(parse("1970-01-01T00:00:00+01:00") == -1, "before it in UTC");
    ok(parse("2026-08-21T07:00:00X") == -1, "unknown zone");
    ok(parse("2026-08-21T07:00:00Zz") == -1, "something after it");
    ok(parse("13/16/2020 5:24:12 AM +00:00") == -1, "day first");
    ok(parse("1/16/2020 13:24:12 PM +00:00") == -1, "13 PM");
    ok(parse("Sun, 06 Foo 1994 08:49:37 GMT") == -1, "no month");
    ok(parse("tomorrow") == -1, "words");
}


static void
test_expiry(void)
{
    ok(expiry("1700003599") == 1700003599, "absolute");
    ok(expiry("3599") == NOW + 3599, "relative");
    ok(expiry("978307199") == NOW + 978307199, "just below 2001");
    ok(expiry("978307200") == 978307200, "2001");
    ok(expiry("1994-11-06T08:49:37Z") == 784111777, "a date is never");
    ok(expiry("x") == -1, "nonsense");

    ok(entra_time_retry_after(entra_str("120"), NOW) == 120, "seconds");
    ok(entra_time_retry_after(entra_str(" 120 "), NOW) == 120, "spaces");
    ok(entra_time_retry_after(entra_str("0"), NOW) == 0, "0");
    ok(entra_time_retry_after(entra_str("Tue, 14 Nov 2023 22:14:20 GMT"), NOW)
       == 60, "a date");
    ok(entra_time_retry_after(entra_str("Sun, 06 Nov 1994 08:49:37 GMT"), NOW)
       == 0, "in the past");
    ok(entra_time_retry_after(entra_str("-1"), NOW) == -1, "negative");
    ok(entra_time_retry_after(entra_str("soon"), NOW) == -1, "words");
    ok(entra_time_retry_after(entra_str(""), NOW) == -1, "empty");
    ok(entra_time_retry_after(entra_str("99999999999999999999"), NOW) == -1,
       "overflow");
}


static const char *
format(int64_t at)
{
    static char   text[64];
    entra_buf_t   b;

    entra_buf_init(&b, 64);
    entra_time_format(at, &b);
    snprintf(text, sizeof(text), "%s", b.data);
    entra_buf_free(&b);

    return text;
}


/* against the C library, in UTC */

static void
test_calendar(void)
{
    int        bad = 0;
    char       want[64];
    time_t     t;
    int64_t    at;
    struct tm  tm;

    is(format(0), "1970-01-01T00:00:00Z", "epoch");
    is(format(1787295600), "2026-08-21T07:00:00Z", "a date");
    is(format(-5), "1970-01-01T00:00:00Z", "before it");
    is(format(INT64_MAX), "9999-12-31T23:59:59Z", "after the end");

    for (at = 0; at < 253402300800; at += 86400 * 13 + 4321) {
        t = (time_t) at;
        gmtime_r(&t, &tm);
        strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%SZ", &tm);
        bad += strcmp(format(at), want) != 0 || parse(want) != at;
    }

    ok(bad == 0, "the calendar");
}


int
main(void)
{
    setenv("TZ", "America/New_York", 1);
    tzset();

    test_parse();
    test_expiry();
    test_calendar();

    return done();
}
