package report

import (
	"bytes"

	"github.com/originpull/originpull/results"
)

func init() {
	register(format{
		Format: Format{Name: "json", Title: "the whole result document, originpull.results/v1"},
		render: func(out *bytes.Buffer, r *results.Result, _ Options) error { return results.Encode(out, r) },
	})
}
