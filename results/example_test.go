package results_test

import (
	"bytes"
	"fmt"
	"math"
	"time"

	"github.com/originpull/originpull/results"
)

// A recorder's summaries become metrics, two arms become a pair, a rule
// becomes an expectation, and the document survives its file.
func Example() {
	arms := []results.Arm{
		{Name: "pull/pool=on", Experiment: "pull", Role: results.RoleArm, Axes: map[string]string{"pool": "on"}},
		{Name: "pull/pool=off", Experiment: "pull", Role: results.RoleArm, Axes: map[string]string{"pool": "off"}},
	}
	for i, wait := range []time.Duration{2 * time.Millisecond, 6 * time.Millisecond} {
		recorder := results.NewRecorder()
		for range 100 {
			recorder.Time("latency", wait)
		}
		var whole results.Summary
		if err := whole.Merge(recorder.Summary()); err != nil {
			fmt.Println(err)
			return
		}
		h, err := results.DecodeHistogram(whole.Histograms["latency"])
		if err != nil {
			fmt.Println(err)
			return
		}
		arms[i].Metrics = results.Percentiles("latency", h)
	}

	e := results.PairedRatio([]float64{math.Log(3.1), math.Log(2.9), math.Log(3.0)}, results.Confidence)
	fmt.Printf("%.2f × [%.2f – %.2f]\n", e.Ratio, e.Low, e.High)

	run := &results.Result{Complete: true, Arms: arms, Validity: results.Validity{Valid: true, Reconciled: true}}
	rule, err := results.ParseExpression("latency.p99{pool=off} / latency.p99{pool=on} < 2")
	if err != nil {
		fmt.Println(err)
		return
	}
	outline := results.Outline{Arms: []results.ArmRef{arms[0].Ref(), arms[1].Ref()}}
	if err := rule.Check(outline, "pull"); err != nil {
		fmt.Println(err)
		return
	}
	run.Expectations = append(run.Expectations, rule.Evaluate(run, "pull"))
	fmt.Println(run.Expectations[0].Detail)

	var file bytes.Buffer
	if err := results.Encode(&file, run); err != nil {
		fmt.Println(err)
		return
	}
	read, err := results.Decode(&file)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(read.Conclude())
	// Output:
	// 3.00 × [2.76 – 3.26]
	// 2.99898, want < 2
	// failed
}
