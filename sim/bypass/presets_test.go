package bypass

import (
	"testing"

	"github.com/originpull/originpull/edge"
)

// TestPresetsAgainstRogues: a CDN that is documented to take any certificate
// takes it, one that is documented to verify does not, and where nothing is
// documented nothing is claimed.
func TestPresetsAgainstRogues(t *testing.T) {
	needsLoopbackNet(t)
	rows := measured(t, Plan{Cases: []string{"E01", "E07", "E08", "E09"}, TLS: []string{"1.3"}}, newStarter(t, nil))
	want := map[string]Verdict{
		"E01 gcp-alb": Bypassed, "E01 cloudfront": Blocked, "E01 akamai": NotRun,
		"E07 cloudfront": Bypassed, "E08 gcp-alb": Blocked, "E09 gcp-alb": Bypassed,
	}
	seen := 0
	for _, r := range rows {
		if !r.OK {
			t.Errorf("not ok: %+v", r)
		}
		verdict, ok := want[r.Case+" "+r.Strategy]
		if r.Server != EdgeServer {
			continue
		}
		if seen++; ok && r.Measured != verdict {
			t.Errorf("want %s: %+v", verdict, r)
		}
	}
	if seen != 4*len(edge.Presets()) {
		t.Errorf("%d rows for %d presets", seen, len(edge.Presets()))
	}
}
