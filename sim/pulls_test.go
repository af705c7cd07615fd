package sim

import (
	"errors"
	"testing"
	"time"

	"github.com/originpull/originpull/edge"
	"github.com/originpull/originpull/edge/cache"
	"github.com/originpull/originpull/edge/pool"
)

// Only what was sent to the origin is an origin request; only what was sent at
// all is a viewer request. Else an overload looks like offload.
func TestRecorderCountsWhatWasSent(t *testing.T) {
	arm := Arm{Plaintext: true}
	arm.Settings.Origin.Response.Status = 200
	r := newPullRecorder(arm)
	r.begin(Block{}, window{})
	answered := func(failed pool.Stage, err error) pulled {
		now := time.Now()
		return pulled{due: now, sent: now, end: now, err: err, reply: edge.Reply{
			Status: 200, Outcome: cache.Pass, Exchange: &pool.Exchange{Failed: failed, Reused: err == nil},
		}}
	}
	broken := errors.New("broken")
	r.record(answered(pool.StageNone, nil))
	r.record(answered(pool.StageHTTP, broken))
	r.record(answered(pool.StageTCP, broken))
	r.record(answered(pool.StageWait, broken))
	again := answered(pool.StageNone, nil)
	again.reply.Earlier = []pool.Exchange{{Failed: pool.StageTCP}, {Failed: pool.StageTCP}, {Failed: pool.StageTLS}}
	r.record(again)
	bad := answered(pool.StageHTTP, broken)
	bad.reply.Status = 502
	r.record(bad)
	r.dropped(time.Now())
	r.dropped(time.Now())
	counts := r.results.Summary().Counts
	for name, want := range map[string]int64{
		countRequests: 6, countFailed: 4, countDropped: 2, countOrigin: 4, countReused: 2, countConnectRetries: 2, countBadGateway: 1,
	} {
		if counts[name] != want {
			t.Errorf("%s is %d, want %d", name, counts[name], want)
		}
	}
	if done, err := r.end(); err != nil || done.Count != 6 || done.Failed != 4 || done.Error != "broken" {
		t.Errorf("the block ended with %+v, %v", done, err)
	}
	m := countMetrics(&Experiment{Kind: Requests}, counts, false)
	if m["origin.offload"] != 1-m["origin.requests"]/6 || m["reuse.ratio"] != 0.5 || m["requests.dropped"] != 2 {
		t.Errorf("metrics %v", m)
	}
}
