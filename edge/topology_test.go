package edge

import (
	"math"
	"reflect"
	"testing"
	"time"
)

func TestShares(t *testing.T) {
	for _, c := range []struct {
		topology Topology
		want     []float64
	}{
		{Topology{}, []float64{1}},
		{Topology{Workers: 4}, []float64{.25, .25, .25, .25}},
		{Topology{Servers: 2, Workers: 3}, []float64{.25, .25, .5}},
		{Topology{Servers: 2, Workers: 7, Scope: PerServer}, []float64{.5, .5}},
		{Topology{Servers: 2, Workers: 7, Scope: PerSite}, []float64{1}},
	} {
		if got := c.topology.Shares(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v: shares %v, want %v", c.topology, got, c.want)
		}
	}
}

// The pools that are really chosen get the shares that the prediction uses.
func TestChoiceFollowsShares(t *testing.T) {
	const n = 200_000
	for _, topology := range []Topology{
		{Workers: 4}, {Servers: 2, Workers: 7}, {Servers: 3, Workers: 4, Scope: PerServer}, {Servers: 3, Scope: PerSite},
	} {
		shares := topology.Shares()
		got := make([]float64, len(shares))
		for i := range uint64(n) {
			got[topology.settled().pool(draw(7, i))]++
		}
		for k, p := range shares {
			if off := math.Abs(got[k]/n - p); off > 5*math.Sqrt(p/n) {
				t.Errorf("%+v: pool %d has %.4f of the pulls, want %.4f", topology, k, got[k]/n, p)
			}
		}
	}
}

func TestTopologyIsChecked(t *testing.T) {
	for _, topology := range []Topology{{Servers: -1, Workers: -1}, {Servers: 3, Workers: 2}, {Scope: "planet"}} {
		cfg := Config{Host: originName, Topology: topology}
		if _, err := New(cfg); err == nil && topology.Servers >= 0 {
			t.Errorf("%+v is accepted", topology)
		}
	}
	if _, err := NewDistribution(Layout{Edge: Config{Host: originName}, Pops: -1}); err == nil {
		t.Error("-1 points of presence are accepted")
	}
}

// The published pair: 87.1 % with private pools, 99.92 % with shared ones.
// Both at once need 3.5 equal pools; two servers with 3 and 4 workers are that.
func TestPredictReuse(t *testing.T) {
	within := func(got, want, off float64) bool { return math.Abs(got-want) <= off }
	if got := PredictReuse(0.2, 5*time.Second, []float64{1}); !within(got, 0.632, 0.0005) {
		t.Errorf("one pool: %.4f", got)
	}
	private := Topology{Servers: 2, Workers: 7}
	shared := Topology{Servers: 2, Workers: 7, Scope: PerServer}
	const rate, idle = 2 * 7.13, time.Second
	if got := PredictReuse(rate, idle, private.Shares()); !within(got, 0.871, 0.002) {
		t.Errorf("private pools: %.4f", got)
	}
	if got := PredictReuse(rate, idle, shared.Shares()); !within(got, 0.9992, 0.0001) {
		t.Errorf("shared pools: %.5f", got)
	}
}

// add knows every kind of field that the counts have.
func TestAddCountsEverything(t *testing.T) {
	var one Stats
	fill(reflect.ValueOf(&one.Pool).Elem())
	fill(reflect.ValueOf(&one.Cache).Elem())
	var sum Stats
	for range 3 {
		add(&sum.Pool, one.Pool)
		add(&sum.Cache, one.Cache)
	}
	check(t, "Pool", reflect.ValueOf(sum.Pool))
	check(t, "Cache", reflect.ValueOf(sum.Cache))
}

func fill(v reflect.Value) {
	if v.Kind() == reflect.Int64 {
		v.SetInt(1)
	}
	if v.Kind() == reflect.Struct {
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	}
	if v.Kind() == reflect.Map {
		v.Set(reflect.MakeMap(v.Type()))
		value := reflect.New(v.Type().Elem()).Elem()
		fill(value)
		v.SetMapIndex(reflect.Zero(v.Type().Key()), value)
	}
}

func check(t *testing.T, name string, v reflect.Value) {
	if v.Kind() == reflect.Struct {
		for i := range v.NumField() {
			check(t, name+"."+v.Type().Field(i).Name, v.Field(i))
		}
		return
	}
	if v.Kind() == reflect.Map {
		for _, key := range v.MapKeys() {
			check(t, name+"."+key.String(), v.MapIndex(key))
		}
		return
	}
	if v.Kind() != reflect.Int64 || v.Int() != 3 {
		t.Errorf("%s is %v, want the int64 3", name, v)
	}
}
