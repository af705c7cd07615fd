package cache

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestPolicies asks every policy of the same: the bound, by weight, at every
// moment, and no item lost or told of twice.
func TestPolicies(t *testing.T) {
	for _, name := range Policies() {
		for seed := range uint64(5) {
			t.Run(fmt.Sprintf("%s, seed %d", name, seed), func(t *testing.T) { checkPolicy(t, name, seed) })
		}
	}
}

func checkPolicy(t *testing.T, name string, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	there := map[uint64]*item{}
	weight := int64(0)
	leave := func(i *item) {
		if there[i.id] != i {
			t.Fatalf("item %d left twice", i.id)
		}
		delete(there, i.id)
		weight -= i.weight
	}
	p, err := newPolicy(name, leave)
	if err != nil {
		t.Fatal(err)
	}
	evictions := 0
	for range 20_000 {
		id := uint64(random.IntN(300))
		budget := int64(1000 - 500*random.IntN(2))
		i := there[id]
		switch {
		case random.IntN(50) == 0:
			p.add(nil, budget)
		case i == nil:
			i = &item{id: id, weight: 1 + random.Int64N(40)}
			there[id] = i
			weight += i.weight
			before := len(there)
			p.add(i, budget)
			evictions += before - len(there)
		case random.IntN(20) == 0:
			p.remove(i)
			leave(i)
			continue
		default:
			p.touch(i)
			continue
		}
		if weight > budget {
			t.Fatalf("%d bytes stay, of %d", weight, budget)
		}
	}
	if evictions == 0 || len(there) == 0 {
		t.Errorf("%d evictions, %d left", evictions, len(there))
	}
	p.add(nil, 0)
	if len(there) != 0 {
		t.Errorf("%d items stay where there is no room", len(there))
	}
}

// TestVictims follows each policy through the same requests, a capital letter
// being a hit, and says who left.
func TestVictims(t *testing.T) {
	for _, c := range []struct{ policy, asked, left string }{
		{"lru", "abcAde", "bc"},
		{"fifo", "abcAde", "ab"},
		{"sieve", "abcAde", "bc"},    // the hand spares a
		{"sieve", "abcABCde", "ab"},  // all spared once, then by age; the hand goes on at b
		{"sieve", "abcCdedf", "abe"}, // hits again on d; the hand stands beyond c
		{"s3fifo", "abcAdea", "abc"}, // a was asked for once more only, and comes back from the ghosts
		{"s3fifo", "abcAAde", "bc"},  // twice: a is in the main queue
	} {
		left := ""
		p, err := newPolicy(c.policy, func(i *item) { left += string(rune(i.id)) })
		if err != nil {
			t.Fatal(err)
		}
		items := map[rune]*item{}
		for _, name := range c.asked {
			lower := name | 0x20
			if i := items[lower]; i != nil && i.queue != nil {
				p.touch(i)
				continue
			}
			items[lower] = &item{id: uint64(lower), weight: 1}
			p.add(items[lower], 3)
		}
		if left != c.left {
			t.Errorf("%s, %s: %s left instead of %s", c.policy, c.asked, left, c.left)
		}
	}
}

func TestUnknownPolicy(t *testing.T) {
	if _, err := newPolicy("clock", nil); err == nil {
		t.Error("accepted")
	}
	defer func() {
		if recover() == nil {
			t.Error("two policies of one name")
		}
	}()
	register("lru", func(evictFunc) policy { return nil })
}
