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
	if zone := len(text) - len("GMT"); zone > 0 && strings.EqualFold(text[zone:], "GMT") {
		text = text[:zone] + "GMT"
	}
	for form, layout := range dateForms {
		at, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		if form == 1 {
			at = at.AddDate(now.Year()/100*100+100-at.Year()/100*100, 0, 0)
			for at.After(now.AddDate(50, 0, 0)) {
				at = at.AddDate(-100, 0, 0)
			}
		}
		// time.Parse takes more than the form says; writing it back does not.
		return at, strings.EqualFold(dayless(at.Format(layout)), dayless(text))
	}
	return time.Time{}, false
}

// dayless is a date without its day of the week, which need not be the right
// one.
func dayless(date string) string {
	_, rest, _ := strings.Cut(date, " ")
	return rest
}

// onlyDate reads a field that must hold one date on one line.
func onlyDate(values []string, now time.Time) (time.Time, bool) {
	if len(values) != 1 {
		return time.Time{}, false
	}
	return parseDate(values[0], now)
}
