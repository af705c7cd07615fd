package report

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/originpull/originpull/results"
)

func init() {
	register(format{
		Format: Format{Name: "table", Title: "a report to read in a terminal"},
		render: renderTable,
	})
}

const (
	defaultWidth = 100
	leastWidth   = 80
)

func renderTable(out *bytes.Buffer, r *results.Result, o Options) error {
	width := o.Width
	if width == 0 {
		width = defaultWidth
	}
	p := &page{out: out, width: max(width, leastWidth), color: o.Color}
	headline(p, r)
	findings(p, r)
	number := 0
	next := func(title string) string {
		number++
		return string(rune('0'+number)) + ". " + title
	}
	if groups := experiments(r, results.KindHandshakes); len(groups) > 0 {
		p.heading(next("What a handshake costs"))
		for _, g := range groups {
			cost(p, r, g)
		}
	}
	if groups := experiments(r, results.KindRequests); len(groups) > 0 {
		p.heading(next("What the pool and the cache save"))
		for _, g := range groups {
			saving(p, r, g)
		}
	}
	if arms := searched(r); len(arms) > 0 {
		p.heading(next("What rate can it take"))
		searches(p, r, arms)
	}
	if planned := bypassExperiments(r); len(planned) > 0 {
		p.heading(next("Who else can pull"))
		for _, name := range planned {
			whoElse(p, r, name)
		}
		controlled(p, r)
	}
	if len(r.Claims) > 0 {
		p.heading(next("What others claim"))
		claims(p, r)
	}
	p.heading(next("May these numbers be trusted"))
	trust(p, r)
	p.blank()
	verdict(p, r)
	return nil
}

// headline names everything that a number in the report depends on.
func headline(p *page, r *results.Result) {
	title := "originpull  " + r.Scenario.Name
	if r.Scenario.Title != "" {
		title += ": " + r.Scenario.Title
	}
	p.line(p.paint(truncate(title, p.width), bold))
	state, s, after := "complete", green, ""
	if !r.Complete {
		state, s, after = "INTERRUPTED", red, "; what follows is incomplete"
	}
	const label = 12
	p.item(state, label, s, fmt.Sprintf("after %s, seed %d, started %s UTC%s",
		seconds(r.Elapsed), r.Scenario.Seed, r.Started.UTC().Format(time.DateTime), after))
	p.item("this machine", label, plain, machine(r))
	switch text := counterpart(r, ordinary(r)); {
	case text == "":
	case severalServers(r):
		p.item("origin", label, plain, "several, named with each experiment")
	default:
		p.item("origin", label, plain, text)
	}
}

// severalServers reports whether the experiments had different origins.
func severalServers(r *results.Result) bool {
	return strings.Contains(labels(ordinary(r), results.LabelServer), " and ")
}

// ordinary returns the arms that are neither baseline nor double.
func ordinary(r *results.Result) []*results.Arm {
	var arms []*results.Arm
	for i := range r.Arms {
		if r.Arms[i].Role == results.RoleArm {
			arms = append(arms, &r.Arms[i])
		}
	}
	return arms
}

// machine describes where the run took place.
func machine(r *results.Result) string {
	e := r.Environment
	parts := []string{orElse(e[results.EnvCPU], "CPU model not recorded")}
	if cores := e[results.EnvCores]; cores == "1" {
		parts = append(parts, "1 core")
	} else if cores != "" {
		parts = append(parts, cores+" cores")
	}
	system := strings.Trim(e[results.EnvOS]+"/"+e[results.EnvArch], "/")
	if kernel := e[results.EnvKernel]; kernel != "" {
		system += " (kernel " + kernel + ")"
	}
	parts = append(parts, system, e[results.EnvGo])
	if procs := e[results.EnvMaxProcs]; procs != "" {
		parts = append(parts, "workers with GOMAXPROCS="+procs)
	}
	if generator := e[results.EnvGenerator]; generator != "" {
		parts = append(parts, "load paced by "+generator)
	}
	if realtime := e[results.EnvRealtime]; realtime != "" {
		parts = append(parts, "real-time scheduling of paced edges: "+realtime)
	}
	return join(parts)
}

// counterpart describes server, TLS library, key and group as the arms
// really used them; without arms, the servers of the bypass rows.
func counterpart(r *results.Result, arms []*results.Arm) string {
	server := labels(arms, results.LabelServer)
	if server == "" {
		for _, b := range r.Bypass {
			// Attempts on the edge meet no server.
			if b.Server != "" && b.Server != "edge" && !strings.Contains(server, b.Server) {
				server = strings.TrimPrefix(server+" and "+b.Server, " and ")
			}
		}
	}
	if version := labels(arms, results.LabelServerVersion); version != "" {
		server += " " + version
	}
	parts := []string{server}
	for _, part := range [][2]string{{"TLS by ", results.LabelTLSLibrary}, {"key ", results.LabelKey}, {"group ", results.LabelGroup}} {
		if text := labels(arms, part[1]); text != "" {
			parts = append(parts, part[0]+text)
		}
	}
	switch labels(arms, results.LabelResumption) {
	case "":
	case "false":
		parts = append(parts, "full handshakes only")
	case "true":
		parts = append(parts, "sessions resumed")
	default:
		parts = append(parts, "sessions resumed in some arms")
	}
	return join(parts)
}

// labels joins the different values of one label.
func labels(arms []*results.Arm, key string) string {
	var values []string
	for _, a := range arms {
		v := a.Labels[key]
		if a.Role == results.RoleArm && v != "" && !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return strings.Join(values, " and ")
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// join lists what is not empty.
func join(parts []string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")
}

// group is the arms of one experiment: ordinary ones, then baseline, then
// doubles.
type group struct {
	experiment results.Experiment
	arms       []*results.Arm
}

// experiments returns the experiments of a kind that have arms. An arm whose
// experiment is not listed is told by what it measured.
func experiments(r *results.Result, kind string) []group {
	var groups []group
	for i := range r.Arms {
		a := &r.Arms[i]
		e, listed := r.Experiment(a.Experiment)
		if !listed {
			e = results.Experiment{Name: a.Experiment, Kind: results.KindHandshakes}
			if _, has := a.Metrics["requests.count"]; has {
				e.Kind = results.KindRequests
			}
		}
		if e.Kind != kind {
			continue
		}
		at := slices.IndexFunc(groups, func(g group) bool { return g.experiment.Name == e.Name })
		if at < 0 {
			at, groups = len(groups), append(groups, group{experiment: e})
		}
		groups[at].arms = append(groups[at].arms, a)
	}
	order := []results.Role{results.RoleArm, results.RoleBaseline, results.RoleAA}
	for _, g := range groups {
		slices.SortStableFunc(g.arms, func(x, y *results.Arm) int {
			return slices.Index(order, x.Role) - slices.Index(order, y.Role)
		})
	}
	return groups
}
