package cache

import (
	"strings"
	"time"
)

// The three forms of a date that a recipient must read (RFC 9110, 5.6.7).
var dateForms = [...]string{
	"Mon, 02 Jan 2006 15:04:05 GMT",  // IMF-fixdate
	"Monday, 02-Jan-06 15:04:05 GMT", // RFC 850
	"Mon Jan _2 15:04:05 2006",       // asctime
}

// parseDate reads an HTTP date: one of the three forms and nothing else, where
// http.ParseTime lets more than one space and a one-digit hour pass, but in
// any case of letters (RFC 9111, 4.2). The two-digit year of the second form
// is the latest that is at most 50 years from now (RFC 9110, 5.6.7).
func parseDate(text string, now time.Time) (time.Time, bool) {
	for form, layout := range dateForms {
		at, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		if form == 1 {
			at = at.AddDate(now.Year()/100*100-at.Year()/100*100, 0, 0)
			for at.After(now.AddDate(50, 0, 0)) {
				at = at.AddDate(-100, 0, 0)
			}
		}
		// time.Parse takes more than the form says; writing it back does not.
		return at, strings.EqualFold(at.Format(layout), text) || form == 1 && sameButWeekday(at.Format(layout), text)
	}
	return time.Time{}, false
}

// sameButWeekday compares dates of the RFC 850 form. A two-digit year that is
// read as another century has another weekday.
func sameButWeekday(a, b string) bool {
	_, a, _ = strings.Cut(a, ",")
	_, b, ok := strings.Cut(b, ",")
	return ok && strings.EqualFold(a, b)
}

// onlyDate reads a field that must hold one date on one line.
func onlyDate(values []string, now time.Time) (time.Time, bool) {
	if len(values) != 1 {
		return time.Time{}, false
	}
	return parseDate(values[0], now)
}
