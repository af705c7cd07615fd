package cache

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// DefaultPolicy is the eviction policy of a Config that names none.
const DefaultPolicy = "lru"

// policy chooses what leaves when room is needed. It is told of everything
// that comes and goes, and counts its weight by itself. It is not safe for
// concurrent use. All but otter decide by the order of calls alone, so that
// equal calls have equal victims.
type policy interface {
	// add evicts until what stays weighs at most budget together with i, then
	// takes i in. A nil i only makes room. Who evicts calls the function given
	// when the policy was made, after it has let go of the item; that may be i
	// itself.
	add(i *item, budget int64)
	// touch says that i was asked for.
	touch(i *item)
	// remove takes i out, which left for another reason.
	remove(i *item)
}

// item is a policy's view of what is stored. Its links and marks are the
// policy's.
type item struct {
	id     uint64 // the same whenever the same object comes back
	weight int64  // bytes; fixed while the item is in a policy

	queue        *queue
	newer, older *item
	marks        uint8

	entry *entry // whose item this is; the store's own affair
}

// evictFunc is told of every item that a policy evicts.
type evictFunc func(*item)

var policies = map[string]func(evictFunc) policy{}

// register is called by the file of each policy.
func register(name string, create func(evictFunc) policy) {
	if policies[name] != nil {
		panic("two eviction policies are named " + name)
	}
	policies[name] = create
}

// Policies returns the names of the eviction policies, sorted.
func Policies() []string { return slices.Sorted(maps.Keys(policies)) }

func newPolicy(name string, evict evictFunc) (policy, error) {
	if name == "" {
		name = DefaultPolicy
	}
	create, known := policies[name]
	if !known {
		return nil, fmt.Errorf("eviction policy %q is unknown: use %s", name, strings.Join(Policies(), ", "))
	}
	return create(evict), nil
}

// queue is a list of items by age, linked through the items themselves.
type queue struct {
	newest, oldest *item
	weight         int64
	count          int
}

func (q *queue) push(i *item) {
	i.queue, i.newer, i.older = q, nil, q.newest
	if q.newest != nil {
		q.newest.newer = i
	} else {
		q.oldest = i
	}
	q.newest = i
	q.weight += i.weight
	q.count++
}

func (q *queue) remove(i *item) {
	if i.newer != nil {
		i.newer.older = i.older
	} else {
		q.newest = i.older
	}
	if i.older != nil {
		i.older.newer = i.newer
	} else {
		q.oldest = i.newer
	}
	i.queue, i.newer, i.older = nil, nil, nil
	q.weight -= i.weight
	q.count--
}

// weightOf is what i adds; a nil item adds nothing.
func weightOf(i *item) int64 {
	if i == nil {
		return 0
	}
	return i.weight
}
