package cache

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
)

// Zipf returns the shares of n objects of which the k-th most popular is asked
// for in proportion to 1/k^alpha.
func Zipf(n int, alpha float64) []float64 {
	shares := make([]float64, n)
	sum := 0.0
	for k := range shares {
		shares[k] = math.Pow(float64(k+1), -alpha)
		sum += shares[k]
	}
	for k := range shares {
		shares[k] /= sum
	}
	return shares
}

// Replay asks an empty cache with room for capacity objects of one size for
// keys, in order, and returns how many were there. The error says that there
// is no such policy.
func Replay(policyName string, capacity int64, keys []uint32) (hits int, err error) {
	s, err := newShelf(policyName, capacity)
	if err != nil {
		return 0, err
	}
	for _, key := range keys {
		if s.ask(uint64(key)) != nil {
			hits++
		} else {
			s.take(uint64(key))
		}
	}
	return hits, nil
}

// Simulation plays Poisson arrivals of independent requests against caches in
// virtual time. Its unit of time is the mean time between two requests, over
// all objects and points of presence together.
type Simulation struct {
	Policy   string    // "" is DefaultPolicy
	Shares   []float64 // the objects' shares of the requests; see Zipf
	Requests int       // the second half is counted, the first fills the caches
	Seed     uint64

	Points   int     // of presence, each with a cache; 0 is 1
	Capacity int64   // objects in each; 0 = no bound
	TTL      float64 // how long an answer is fresh; 0 = for ever
	Delay    float64 // from a fetch to its answer
	Collapse bool    // one fetch for all who ask during Delay

	Shield         bool  // a cache between the points of presence and the origin
	ShieldCapacity int64 // 0 = no bound
	Age            bool  // the points of presence count the age that an answer had at the shield
}

// Simulated counts the second half of a simulation's requests. Requests =
// Fresh + Collapsed + Stale + Missed.
type Simulated struct {
	Requests  int
	Fresh     int // there and fresh
	Collapsed int // waited for another one's fetch
	Stale     int // there, and to be asked for anew
	Missed    int // not there
	Origin    int // requests that reached the origin
	Shielded  int // requests that reached the shield
}

// Run plays the simulation. Equal simulations have equal results, with every
// policy but otter. The error says what cannot be simulated.
func (s Simulation) Run() (Simulated, error) {
	if len(s.Shares) == 0 || s.Requests < 1 || s.Points < 0 || s.TTL < 0 || s.Delay < 0 {
		return Simulated{}, fmt.Errorf("a simulation needs objects, requests, and no negative number of points, time to live or delay")
	}
	points := make([]*shelf, max(s.Points, 1))
	for i := range points {
		var err error
		if points[i], err = newShelf(s.Policy, s.Capacity); err != nil {
			return Simulated{}, err
		}
	}
	run := &simulationRun{Simulation: s, points: points}
	if s.Shield {
		var err error
		if run.shield, err = newShelf(s.Policy, s.ShieldCapacity); err != nil {
			return Simulated{}, err
		}
	}
	return run.play(), nil
}

type simulationRun struct {
	Simulation
	points  []*shelf
	shield  *shelf
	counted bool
	sum     Simulated
}

func (r *simulationRun) play() Simulated {
	random := rand.New(rand.NewPCG(r.Seed, 0))
	upTo := make([]float64, len(r.Shares))
	total := 0.0
	for i, share := range r.Shares {
		total += share
		upTo[i] = total
	}
	now := 0.0
	for n := range r.Requests {
		now += random.ExpFloat64()
		object := sort.SearchFloat64s(upTo, random.Float64()*total)
		point := r.points[random.IntN(len(r.points))]
		r.counted = n >= r.Requests/2
		r.request(point, uint64(min(object, len(upTo)-1)), now)
	}
	return r.sum
}

// count adds to a sum, if this request is counted.
func (r *simulationRun) count(sum *int) {
	if r.counted {
		*sum++
	}
}

func (r *simulationRun) request(point *shelf, object uint64, now float64) {
	r.count(&r.sum.Requests)
	at := point.ask(object)
	switch {
	case at == nil:
		r.count(&r.sum.Missed)
		at = point.take(object)
	case now < at.arrives && r.Collapse:
		r.count(&r.sum.Collapsed)
		return
	case now < at.arrives: // does not know of the fetch under way
		r.count(&r.sum.Stale)
		r.upstream(object, now)
		return
	case now < at.expires:
		r.count(&r.sum.Fresh)
		return
	default:
		r.count(&r.sum.Stale)
	}
	at.arrives = now + r.Delay
	at.expires = at.arrives + r.life() - r.upstream(object, now)
}

func (r *simulationRun) life() float64 {
	if r.TTL == 0 {
		return math.Inf(1)
	}
	return r.TTL
}

// upstream fetches for a point of presence and returns the age that counts.
func (r *simulationRun) upstream(object uint64, now float64) float64 {
	if r.shield == nil {
		r.count(&r.sum.Origin)
		return 0
	}
	r.count(&r.sum.Shielded)
	at := r.shield.ask(object)
	if at == nil {
		at = r.shield.take(object)
	}
	if now >= at.expires {
		r.count(&r.sum.Origin)
		at.arrives, at.expires = now, now+r.life()
	}
	if !r.Age {
		return 0
	}
	return now - at.arrives
}

// shelf is a simulated cache of objects of one size.
type shelf struct {
	policy   policy
	capacity int64
	objects  map[uint64]*simulated
}

type simulated struct {
	item
	arrives, expires float64
}

func newShelf(policyName string, capacity int64) (*shelf, error) {
	if capacity == 0 {
		capacity = math.MaxInt64
	}
	s := &shelf{capacity: capacity, objects: make(map[uint64]*simulated)}
	var err error
	s.policy, err = newPolicy(policyName, func(i *item) { delete(s.objects, i.id) })
	return s, err
}

// ask returns the object, if it is there.
func (s *shelf) ask(id uint64) *simulated {
	at := s.objects[id]
	if at != nil {
		s.policy.touch(&at.item)
	}
	return at
}

// take puts an object in that is not there.
func (s *shelf) take(id uint64) *simulated {
	at := &simulated{item: item{id: id, weight: 1}}
	s.objects[id] = at
	s.policy.add(&at.item, s.capacity)
	return at
}
